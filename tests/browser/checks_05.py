"""What a reader does in notebook 05: reads the curves, meets the fooled PRM, answers the quiz."""

from playwright.sync_api import expect

CURVES = "Choosing among N"


def check_the_seven_lines_are_drawn_with_their_sentence(lab):
    plot = lab.cell(CURVES).locator(".js-plotly-plot")
    expect(plot).to_be_visible()
    for name in ("PRM", "ORM", "majority", "weighted", "tie-break", "random", "oracle"):
        expect(plot.locator(".legend")).to_contain_text(name)
    expect(plot).to_contain_text("oracle rises from")


def check_the_fooled_prm_is_shown_beside_the_usual_trace(lab):
    tables = lab.cell("The PRM's choice").get_by_role("table")
    expect(tables).to_have_count(2)
    expect(tables.nth(0)).to_contain_text("first error")
    expect(tables.nth(0)).to_contain_text("times of 1860, product ")
    expect(tables.nth(1)).to_contain_text("The usual trace")


def check_the_claims_are_drawn_and_judged_in_words(lab):
    plot = lab.cell("Three claims, taken apart").locator(".js-plotly-plot")
    expect(plot).to_be_visible()
    expect(plot).to_contain_text("PRM above ORM at 1860")
    expect(plot).to_contain_text("Of 10 claims ")
    said = lab.cell_output("def joint(")
    assert all(claim in said for claim in ("PRM > ORM > majority: ", "widens with N: ", "+8 with"))
    for theme in ("light", "dark"):
        lab.screenshot(f"05_claims-{theme}", theme=theme, cell="Three claims, taken apart")
        lab.screenshot(f"05_curves-{theme}", theme=theme, cell=CURVES)
        lab.screenshot(f"05_fooled-{theme}", theme=theme, cell="The PRM's choice")


def check_blank_exercises_say_not_attempted(lab):
    for name in ("weighted_vote", "best_of_n_exact", "spread", "curse", "verdict"):
        assert "Not attempted" in lab.cell_output(f'check("05", "{name}"')


def check_the_quiz_by_keyboard(lab):
    quiz = lab.cell('exercises.quiz("05")')
    expect(quiz.get_by_role("heading")).to_contain_text("question 1 of")
    quiz.get_by_role("radio", name="From the first eight samples of every problem").focus()
    lab.page.keyboard.press("Space")
    lab.page.keyboard.press("Enter")
    expect(quiz).to_contain_text("✗ Not yet. 0 of")
    lab.page.keyboard.press("Enter")  # the focus is on "Try again" now
    quiz.get_by_role("radio", name="From all subsets of eight, counted in closed form").focus()
    lab.page.keyboard.press("Space")
    lab.page.keyboard.press("Enter")
    expect(quiz).to_contain_text("✓ Right. 1 of")
