#[test]
fn look() {
    let (timeline, said) = super::story::campaign();
    let card = sim_services::score::Scorecard::new(&timeline, &said, &Default::default());
    println!("{}", super::told(&card));
    println!("{card}");
    for (w, c) in [(80, true), (60, false), (140, true)] {
        println!(
            "{}",
            sim_services::score::text::text(
                &card,
                sim_services::score::text::Style {
                    colour: c,
                    width: w
                }
            )
        );
    }
    std::fs::write(
        "/tmp/score.html",
        sim_services::score::html::html(&card, &timeline, &said),
    )
    .unwrap();
    std::fs::write(
        "/tmp/score.json",
        serde_json::to_string_pretty(&card).unwrap(),
    )
    .unwrap();
}
