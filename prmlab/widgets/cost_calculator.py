"""A bill for labels by rollouts that answers as you type: numbers in, hours and money out.

Made of ipywidgets' own fields, so that keyboard and labels are theirs; the arithmetic is
`budget`'s. Its output also holds the bill as a table, for pages without a kernel.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import ipywidgets

from prmlab.budget import Bill, Device, Plan, bill
from prmlab.markup import escape

FIELDS = {"problems": "problems", "n_samples": "traces of each", "steps": "steps of each",
          "n_rollouts": "rollouts of each prefix", "tokens": "tokens of each rollout",
          "share": "share of them drawn"}
# Columns apart, numbers under each other, in any page's own style of tables.
_FIRST, _CELL = 'style="text-align:left"', 'style="text-align:right;padding-left:1.5em"'


class CostCalculator(ipywidgets.VBox):
    """Fields for a plan, the number of devices and the price of an hour; below them the bill.

    Args:
        plan: what the fields say at first.
        devices: what to compare, one row each.
        n_devices: working side by side, at first.

    Raises:
        ValueError: if there is no device.
    """

    def __init__(self, plan: Plan, devices: Sequence[Device], *, n_devices: int = 1):
        if not devices:
            raise ValueError("nothing to compare: give at least one budget.Device")
        self._devices = tuple(devices)
        wide = {"style": {"description_width": "11em"}, "layout": {"width": "22em"}}
        self.fields: Mapping[str, Any] = {
            name: ipywidgets.FloatText(getattr(plan, name), description=words, **wide)
            for name, words in FIELDS.items()}
        self.n_devices = ipywidgets.BoundedIntText(n_devices, 1, 100_000,
                                                   description="devices", **wide)
        self.price = ipywidgets.FloatText(devices[0].price, description="dollars an hour",
                                          **wide)
        self._table = ipywidgets.HTML(self.to_html())
        inputs = [*self.fields.values(), self.n_devices, self.price]
        for field in inputs:
            field.observe(self._changed, names=["value"])
        grid = ipywidgets.HBox(inputs, layout={"flex_flow": "row wrap"})
        super().__init__([grid, self._table])

    @property
    def plan(self) -> Plan:
        """What the fields say. ValueError if that is no plan."""
        return Plan(**{name: field.value for name, field in self.fields.items()})

    @property
    def bills(self) -> list[tuple[Device, Bill]]:
        """Each device at the price of the field, and what the plan costs on it."""
        priced = [replace(device, price=self.price.value) for device in self._devices]
        return [(device, bill(self.plan, device)) for device in priced]

    def __repr__(self) -> str:
        try:
            plan, bills, n = self.plan, self.bills, self.n_devices.value
        except ValueError as error:
            return f"CostCalculator: {error}"
        told = "; ".join(f"{device.name}: {due.hours / n:,.0f} h of {n}, {due.dollars:,.0f} "
                         "dollars" for device, due in bills)
        return (f"{plan.generations:,.0f} rollouts of {plan.tokens:,.0f} tokens, "
                f"{plan.all_tokens / 1e9:,.1f} billion tokens in all. {told}.")

    def to_html(self) -> str:
        """The bill as a table; what is wrong with the numbers instead, if something is."""
        try:
            plan, bills = self.plan, self.bills
        except ValueError as error:
            return f'<p role="alert">✗ {escape(str(error))}</p>'
        n = self.n_devices.value
        rows = "".join(
            f'<tr><th scope="row" {_FIRST}>{escape(device.name)}</th>'
            f"<td {_CELL}>{device.tokens_per_s:,.0f}</td><td {_CELL}>{due.hours / n:,.1f}</td>"
            f"<td {_CELL}>{due.dollars:,.0f}</td></tr>" for device, due in bills)
        return ('<table role="status"><caption style="text-align:left">'
                f"{plan.labels:,.0f} labels, {plan.generations:,.0f} rollouts, "
                f"{plan.all_tokens:,.0f} tokens</caption><thead><tr>"
                f'<th scope="col" {_FIRST}>on</th>'
                f'<th scope="col" {_CELL}>tokens a second, each</th>'
                f'<th scope="col" {_CELL}>hours of {n}</th><th scope="col" {_CELL}>dollars</th>'
                f"</tr></thead><tbody>{rows}</tbody></table>")

    def _changed(self, _: Any) -> None:
        self._table.value = self.to_html()

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        return {**super()._repr_mimebundle_(**options), "text/html": self.to_html(),
                "text/plain": repr(self)}
