"""What a reader does in notebook 04: fans rollouts out, reads figures, changes the bill."""

import re

from playwright.sync_api import expect

FIGURES = (("Three values settle", "after step 0"),
           ("Wrong hard labels of steps", "all steps falls from"),
           ("value_histogram(", "right prefixes"),
           ("error_by_cost(", "Fixed misses"),
           ("label_charts.differences(", "first-error F1: below exact labels"))


def check_the_figures_are_drawn_with_their_sentences(lab):
    for number, (cell, words) in enumerate(FIGURES):
        plot = lab.cell(cell).locator(".js-plotly-plot")
        expect(plot).to_be_visible()
        expect(plot).to_contain_text(words)
        for theme in ("light", "dark"):
            lab.screenshot(f"04_figure{number}-{theme}", theme=theme, cell=cell)


def check_the_fan_draws_by_keyboard(lab):
    cell = "RolloutFan([opening"
    fan = lab.cell(cell).get_by_role("region", name="Rollout fan")
    fan.get_by_role("option").nth(0).focus()
    for _ in range(2):
        lab.page.keyboard.press("ArrowDown")
    expect(fan.get_by_role("option").nth(2)).to_be_focused()
    fan.get_by_role("textbox").focus()
    lab.page.keyboard.type("0.6")
    lab.page.keyboard.press("Enter")
    expect(fan.get_by_role("option").nth(2)).not_to_contain_text("not sampled", timeout=60_000)
    expect(fan.get_by_role("option").nth(2)).to_have_attribute(
        "aria-label", re.compile("hard label"), timeout=60_000)
    for theme in ("light", "dark"):
        lab.screenshot(f"04_fan-{theme}", theme=theme, cell=cell)


def check_right_and_wrong_stand_beside_the_values(lab):
    for cell, words in (("beside_the_truth(dead)", "right"),
                        ("beside_the_truth(lucky)", "WRONG")):
        expect(lab.cell(cell).get_by_role("table")).to_contain_text(words)


def check_the_killed_run_went_on(lab):
    assert "the same bytes as an undisturbed run: True" in lab.cell_output("a line torn in half")
    assert "refused: True" in lab.cell_output("other = [toys.trace")


def check_the_bill_follows_the_keyboard(lab):
    bill = lab.cell("CostCalculator(saving")
    expect(bill.get_by_role("row").filter(has_text="vLLM")).to_be_visible()
    field = bill.get_by_label("rollouts of each prefix")
    field.focus()
    lab.page.keyboard.press("Control+a")
    lab.page.keyboard.type("1")
    lab.page.keyboard.press("Tab")
    expect(bill).to_contain_text("1,600,000 labels")
    share = bill.get_by_label("share of them drawn")
    share.focus()
    lab.page.keyboard.press("Control+a")
    lab.page.keyboard.type("2")
    lab.page.keyboard.press("Tab")
    expect(bill.get_by_role("alert")).to_contain_text("share must be at most 1")
    share.focus()
    lab.page.keyboard.press("Control+a")
    lab.page.keyboard.type("1")
    lab.page.keyboard.press("Tab")
    expect(bill).to_contain_text("1,600,000 rollouts")
    for theme in ("light", "dark"):
        lab.screenshot(f"04_bill-{theme}", theme=theme, cell="CostCalculator(saving")


def check_blank_exercises_say_not_attempted(lab):
    for name in ("value_and_label", "called_wrong", "find_first_dead", "hours"):
        assert "Not attempted" in lab.cell_output(f'check("04", "{name}"')


def check_the_quiz_by_keyboard(lab):
    quiz = lab.cell('exercises.quiz("04")')
    quiz.get_by_role("radio", name="How often this policy reaches").focus()
    lab.page.keyboard.press("Space")
    lab.page.keyboard.press("Enter")
    expect(quiz).to_contain_text("✓ Right. 1 of")
