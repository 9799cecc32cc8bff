"""What a reader does in notebook 07: sees the first error, the curve, answers the quiz."""

from playwright.sync_api import expect


def check_the_first_error_is_marked_beside_the_score(lab):
    table = lab.cell('you = "nothing yet"').get_by_role("table")
    expect(table.get_by_role("columnheader")).to_have_text(["step", "text", "score", "truth"])
    expect(table).to_contain_text("You: nothing yet. PRM: ")


def check_the_blind_spot_is_met(lab):
    assert "textbook rule: -1" in lab.cell_output("made_up_low =")
    assert "checker:       0" in lab.cell_output("made_up_low =")
    expect(lab.cell("(live_scores,) =").get_by_role("table")).to_contain_text("the truth: 0")


def check_the_figures_are_drawn_with_their_sentences(lab):
    for cell, words in (("Naming the first wrong step", "lowest at"),
                        ("Judged wrong if", "On validation traces F1 is highest")):
        plot = lab.cell(cell).locator(".js-plotly-plot")
        expect(plot).to_be_visible()
        expect(plot).to_contain_text(words)
    for theme in ("light", "dark"):
        lab.screenshot(f"07_threshold-{theme}", theme=theme, cell="Judged wrong if")


def check_blank_exercises_say_not_attempted(lab):
    for name in ("find_error_step", "blind_spot", "mend", "processbench_f1", "choose"):
        assert "Not attempted" in lab.cell_output(f'check("07", "{name}"')


def check_the_quiz_by_keyboard(lab):
    quiz = lab.cell('exercises.quiz("07")')
    quiz.get_by_role("textbox", name="Your number").focus()
    lab.page.keyboard.type("3")
    lab.page.keyboard.press("Enter")
    expect(quiz).to_contain_text("✓ Right. 1 of")
