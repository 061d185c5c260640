//! Check digits and rules of numbers that identify people and accounts.
//!
//! All functions take the number without separators.

/// The check of ISO/IEC 7812-1, annex B.
pub(super) fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let digit = u32::from(digit - b'0');
            match place % 2 {
                0 => digit,
                _ if digit < 5 => digit * 2,
                _ => digit * 2 - 9,
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Whether an issuer gives out numbers that begin and are as long as this.
pub(super) fn issued(digits: &[u8]) -> bool {
    let prefix = |places: usize| number(&digits[..places.min(digits.len())]);
    let (two, three, four) = (prefix(2), prefix(3), prefix(4));
    match digits.len() {
        13 | 19 => digits[0] == b'4' || digits.len() == 19 && two == 62,
        14 => matches!(two, 36 | 38 | 39) || (300..=305).contains(&three),
        15 => matches!(two, 34 | 37),
        16 => {
            digits[0] == b'4'
                || (51..=55).contains(&two)
                || (2221..=2720).contains(&four)
                || four == 6011
                || (644..=659).contains(&three)
                || (3528..=3589).contains(&four)
                || two == 62
        }
        17 | 18 => two == 62,
        _ => false,
    }
}

fn number(digits: &[u8]) -> u32 {
    digits
        .iter()
        .fold(0, |number, digit| number * 10 + u32::from(digit - b'0'))
}

/// ISO 13616: two letters, two check digits, remainder 1 modulo 97.
pub(super) fn iban(text: &[u8]) -> bool {
    let shape = (15..=34).contains(&text.len())
        && text[..2].iter().all(u8::is_ascii_uppercase)
        && text[2..4].iter().all(u8::is_ascii_digit)
        && text.iter().all(u8::is_ascii_alphanumeric)
        && iban_length(&text[..2]).is_none_or(|length| length == text.len());
    shape
        && text[4..]
            .iter()
            .chain(&text[..4])
            .fold(0, |rest, b| match b {
                b'0'..=b'9' => (rest * 10 + u32::from(b - b'0')) % 97,
                _ => (rest * 100 + u32::from(b.to_ascii_uppercase() - b'A') + 10) % 97,
            })
            == 1
}

/// The lengths of common countries; a check digit alone would pass every hundredth code.
fn iban_length(country: &[u8]) -> Option<usize> {
    Some(match country {
        b"NO" => 15,
        b"BE" => 16,
        b"DK" | b"FI" | b"NL" => 18,
        b"AT" | b"EE" | b"LT" | b"LU" => 20,
        b"CH" | b"HR" | b"LI" | b"LV" => 21,
        b"BG" | b"DE" | b"GB" | b"IE" => 22,
        b"AE" | b"IL" => 23,
        b"CZ" | b"ES" | b"RO" | b"SA" | b"SE" | b"SK" => 24,
        b"PT" => 25,
        b"TR" => 26,
        b"FR" | b"GR" | b"IT" => 27,
        b"CY" | b"HU" | b"PL" => 28,
        b"BR" => 29,
        b"MT" => 31,
        _ => return None,
    })
}

/// The letters of a Spanish DNI or NIE, by remainder modulo 23.
const DNI_LETTERS: &[u8; 23] = b"TRWAGMYFPDXBNJZSQVHLCKE";

/// Spanish DNI (`12345678Z`) or NIE (`X1234567L`).
pub(super) fn dni(text: &[u8]) -> bool {
    if text.len() != 9 {
        return false;
    }
    let first = match text[0] {
        b'X' => 0,
        b'Y' => 1,
        b'Z' => 2,
        digit @ b'0'..=b'9' => u32::from(digit - b'0'),
        _ => return false,
    };
    text[1..8].iter().all(u8::is_ascii_digit)
        && text[8] == DNI_LETTERS[((first * 10_000_000 + number(&text[1..8])) % 23) as usize]
}

/// Italian codice fiscale: `RSSMRA85T10A562S`, with its check letter.
pub(super) fn codice_fiscale(text: &[u8]) -> bool {
    /// Values of characters at odd places (the first is odd); letters count like digits below ten.
    const ODD: [u32; 26] = [
        1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24,
        23,
    ];
    if text.len() != 16 {
        return false;
    }
    // Digits may be replaced by letters when two people would share a code.
    let shape = text.iter().enumerate().all(|(place, b)| match place {
        6 | 7 | 9 | 10 | 12 | 13 | 14 => {
            b.is_ascii_digit() || matches!(b, b'L' | b'M' | b'N' | b'P'..=b'V')
        }
        8 => matches!(
            b,
            b'A' | b'B' | b'C' | b'D' | b'E' | b'H' | b'L' | b'M' | b'P' | b'R' | b'S' | b'T'
        ),
        _ => b.is_ascii_uppercase(),
    });
    let value = |b: u8| {
        u32::from(if b.is_ascii_digit() {
            b - b'0'
        } else {
            b - b'A'
        })
    };
    shape
        && text[..15]
            .iter()
            .enumerate()
            .map(|(place, b)| match place % 2 {
                0 => ODD[value(*b) as usize],
                _ => value(*b),
            })
            .sum::<u32>()
            % 26
            == u32::from(text[15] - b'A')
}

/// French NIR: sex, year, month, department, commune, order and key.
pub(super) fn nir(text: &[u8]) -> bool {
    if text.len() != 15 || !matches!(text[0], b'1' | b'2') {
        return false;
    }
    // Corsica's departments are 2A and 2B, which count as 19 and 18.
    let mut digits = [0; 15];
    digits.copy_from_slice(text);
    match &text[5..7] {
        b"2A" => digits[5..7].copy_from_slice(b"19"),
        b"2B" => digits[5..7].copy_from_slice(b"18"),
        _ => {}
    }
    if !digits.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let month = number(&digits[3..5]);
    let body = digits[..13]
        .iter()
        .fold(0u64, |body, digit| body * 10 + u64::from(digit - b'0'));
    ((1..=12).contains(&month) || (20..=42).contains(&month))
        && &digits[5..7] != b"00"
        && 97 - body % 97 == u64::from(number(&digits[13..]))
}

/// US social security number: 9 digits; areas 000, 666 and 9xx were never issued.
pub(super) fn ssn(digits: &[u8]) -> bool {
    digits.len() == 9
        && digits.iter().all(u8::is_ascii_digit)
        && digits[0] != b'9'
        && !matches!(&digits[..3], b"000" | b"666")
        && &digits[3..5] != b"00"
        && &digits[5..] != b"0000"
}

/// UK national insurance number: `QQ123456C`.
pub(super) fn nino(text: &[u8]) -> bool {
    text.len() == 9
        && text[..2].iter().all(|b| {
            b.is_ascii_uppercase() && !matches!(b, b'D' | b'F' | b'I' | b'Q' | b'U' | b'V')
        })
        && text[1] != b'O'
        && !matches!(
            &text[..2],
            b"BG" | b"GB" | b"NK" | b"KN" | b"TN" | b"NT" | b"ZZ"
        )
        && text[2..8].iter().all(u8::is_ascii_digit)
        && matches!(text[8], b'A'..=b'D')
}

/// German tax identification number: 11 digits, ISO 7064 MOD 11,10; among the first ten, one digit
/// occurs two or three times.
pub(super) fn german_tax_id(digits: &[u8]) -> bool {
    if digits.len() != 11 || digits[0] == b'0' || !digits.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let mut times = [0u8; 10];
    for digit in &digits[..10] {
        times[usize::from(digit - b'0')] += 1;
    }
    let repeated: Vec<u8> = times.into_iter().filter(|times| *times > 1).collect();
    if repeated != [2] && repeated != [3] {
        return false;
    }
    let mut product = 10;
    for digit in &digits[..10] {
        let sum = match (u32::from(digit - b'0') + product) % 10 {
            0 => 10,
            sum => sum,
        };
        product = sum * 2 % 11;
    }
    (11 - product) % 10 == u32::from(digits[10] - b'0')
}

/// Brazilian CPF: 11 digits, the last two are check digits.
pub(super) fn cpf(digits: &[u8]) -> bool {
    if digits.len() != 11
        || !digits.iter().all(u8::is_ascii_digit)
        || digits.iter().all(|digit| *digit == digits[0])
    {
        return false;
    }
    let check = |places: usize| {
        let sum: u32 = digits[..places]
            .iter()
            .zip((2..=places as u32 + 1).rev())
            .map(|(digit, weight)| u32::from(digit - b'0') * weight)
            .sum();
        sum * 10 % 11 % 10
    };
    check(9) == u32::from(digits[9] - b'0') && check(10) == u32::from(digits[10] - b'0')
}
