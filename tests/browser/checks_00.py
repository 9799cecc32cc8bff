"""What a reader does in notebook 00: sees a coloured trace, predicts, opens the truth, is quizzed."""

from playwright.sync_api import expect

CLEAR = ("rgba(0, 0, 0, 0)", "transparent")
GROUNDS = "cells => cells.map(cell => getComputedStyle(cell).backgroundColor)"


def check_a_coloured_trace_stands_beside_the_truth(lab):
    table = lab.cell("Written by the policy a moment ago").get_by_role("table")
    expect(table).to_be_visible()
    expect(table.get_by_role("columnheader")).to_have_text(["step", "text", "score", "truth"])
    grounds = table.locator("tbody td:nth-child(2)").evaluate_all(GROUNDS)
    assert grounds
    assert not set(grounds) & set(CLEAR)


def check_the_truth_is_folded_away_until_it_is_opened_by_keyboard(lab):
    cell = lab.cell("<details><summary>")
    table = cell.locator("details table")
    expect(table).to_be_hidden()
    cell.locator("summary").focus()
    lab.page.keyboard.press("Enter")
    expect(table).to_be_visible()
    expect(table).to_contain_text("First wrong step, according to you: nothing yet")


def check_blank_exercises_say_not_attempted(lab):
    for name in ("count_low", "first_wrong", "label_steps"):
        assert "Not attempted" in lab.cell_output(f'check("00", "{name}"')


def check_the_quiz_by_keyboard(lab):
    quiz = lab.cell('exercises.quiz("00")')
    heading = quiz.get_by_role("heading")
    expect(heading).to_contain_text("question 1 of")
    quiz.get_by_role("radio", name="One line of reasoning").focus()
    lab.page.keyboard.press("Space")
    lab.page.keyboard.press("Enter")
    expect(quiz).to_contain_text("✓ Right. 1 of")
    lab.page.keyboard.press("Enter")  # the focus is on "Next question" now
    expect(heading).to_contain_text("question 2 of")
