"""What a reader does in notebook 01: compares two judges, hovers over a curve, is quizzed."""

from playwright.sync_api import expect


def check_both_models_judge_the_same_traces(lab):
    tables = lab.cell("def judged(").get_by_role("table")
    expect(tables).to_have_count(2)
    for i in range(2):
        expect(tables.nth(i)).to_contain_text("ORM, for the whole trace: ")
        expect(tables.nth(i).get_by_role("columnheader")).to_have_text(
            ["step", "text", "score", "truth"])


def check_the_recorded_curves_are_drawn_with_their_sentence(lab):
    cell = lab.cell("problems, recorded")
    plot = cell.locator(".js-plotly-plot")
    expect(plot).to_be_visible()
    for name in ("PRM", "ORM", "majority", "oracle"):
        expect(plot.locator(".legend")).to_contain_text(name)
    expect(plot).to_contain_text("; oracle rises from")


def check_blank_exercises_say_not_attempted(lab):
    for name in ("aggregate", "pick_best", "lucky", "orm_or_prm"):
        assert "Not attempted" in lab.cell_output(f'check("01", "{name}"')


def check_the_quiz_by_keyboard(lab):
    quiz = lab.cell('exercises.quiz("01")')
    heading = quiz.get_by_role("heading")
    expect(heading).to_contain_text("question 1 of")
    quiz.get_by_role("radio", name="A label for each step").focus()
    lab.page.keyboard.press("Space")
    lab.page.keyboard.press("Enter")
    expect(quiz).to_contain_text("✗ Not yet. 0 of")
    lab.page.keyboard.press("Enter")  # the focus is on "Try again" now
    quiz.get_by_role("radio", name="For each trace, whether its answer is right").focus()
    lab.page.keyboard.press("Space")
    lab.page.keyboard.press("Enter")
    expect(quiz).to_contain_text("✓ Right. 1 of")
