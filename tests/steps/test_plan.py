"""The heuristic plan on tickets as people write them, over small repositories."""

from __future__ import annotations

import pytest

from loopy.domain.check import CheckSpec
from loopy.domain.errors import ConfigError
from loopy.domain.plan import Plan
from loopy.domain.project import ProjectConfig
from loopy.domain.ticket import Ticket
from loopy.steps.plan import HeuristicPlanner, plan
from tests.steps.repo_in_memory import COMMIT, TreeInMemory, ticket

SHOP = {
    "README.md": "# Shop\nA small shop with a cart, coupons and sessions.\n",
    "CHANGELOG.md": "coupon, cart, session, checkout, login\n" * 20,
    "pyproject.toml": '[project]\nname = "shop"\ndependencies = ["flask"]\n[tool.ruff]\n',
    "requirements.txt": "flask\npytest\nruff\n",
    "shop/__init__.py": "",
    "shop/app.py": "from shop.cart import Cart\nfrom shop.auth import session\n",
    "shop/cart.py": "class Cart:\n    def total(self):\n        ...\n    def apply_coupon(self, code):\n        ...\n",
    "shop/coupons.py": 'class CouponError(Exception):\n    """The coupon has expired."""\n',
    "shop/auth/session.py": "SESSION_TTL = 3600\ndef refresh_session(token): ...\n",
    "shop/auth/login.py": "def login(user, password): ...\n",
    "shop/migrations/0001_initial.py": "# cart, coupon, session tables\n",
    "shop/static/app.min.js": "cart coupon session login " * 50,
    "vendor/flask/cart.py": "class Cart: ...\n# coupon\n",
    "tests/test_cart.py": "from shop.cart import Cart\ndef test_total(): ...\n",
    "tests/test_session.py": "import pytest\n",
    "web/login.html": "<form>login</form>\n",
}
NODE = {
    "package.json": '{"scripts": {"test": "vitest", "lint": "eslint ."}, "devDependencies": {"vitest": "1"}}',
    "package-lock.json": "{}",
    "src/parser/parseDate.ts": "export function parseDate(text: string) {}\n",
    "src/parser/parseDate.test.ts": "import { parseDate } from './parseDate'\n",
    "src/index.ts": "export { parseDate } from './parser/parseDate'\n",
    "src/ui/Calendar.tsx": "export function Calendar() { return parseDate('x') }\n",
    "dist/index.js": "function parseDate() {}\n",
}


def planned(asked: Ticket, tree: dict[str, str], **more: ProjectConfig | None) -> Plan:
    repositories = TreeInMemory(tree)
    return plan(asked, repositories, HeuristicPlanner(repositories, lambda _: more.get("operator")))


def test_a_bug_report_yields_its_expectation_and_the_file_of_the_traceback() -> None:
    body = """
The cart crashes when a coupon has expired.

```
Traceback (most recent call last):
  File "/srv/app/shop/cart.py", line 41, in apply_coupon
    coupon.check()
  File "/usr/lib/python3.11/weird.py", line 3, in check
CouponError: The coupon has expired
```

### Steps to reproduce
1. Put something in the cart
2. You must use an old code

### Expected behaviour
The customer sees that the coupon has expired and the total stays the same.

### Actual behaviour
- error 500
"""
    found = planned(ticket("Expired coupon crashes the cart", body), SHOP)
    assert found.acceptance == ("The customer sees that the coupon has expired and the total stays the same.",)
    assert found.files[0] == "shop/cart.py"
    assert set(found.files[:4]) >= {"shop/coupons.py", "tests/test_cart.py"}
    assert found.questions == ()


def test_a_feature_with_a_checklist_yields_the_open_boxes_only() -> None:
    body = """
## Background
People must log in far too often today.

## Acceptance criteria
- [ ] `refresh_session` extends a session by `SESSION_TTL`
- [x] the design is agreed
- [ ] an expired session is never extended
* the log says so

## Out of scope
- single sign-on
"""
    found = planned(ticket("Refresh sessions", body), SHOP)
    assert found.acceptance == (
        "`refresh_session` extends a session by `SESSION_TTL`",
        "an expired session is never extended",
        "the log says so",
    )
    assert found.files[0] == "shop/auth/session.py"
    assert "tests/test_session.py" in found.files[:3]
    assert any(risk.startswith("may touch access control: shop/auth/session.py") for risk in found.risks)


def test_scenarios_become_one_item_each() -> None:
    body = """
Scenario: expired
  Given an expired coupon
  When it is applied
  Then the total stays the same
  And a message is shown

Scenario: valid
  **Given** a valid coupon
  **When** it is applied
  **Then** the total goes down
"""
    assert planned(ticket("Coupons", body), SHOP).acceptance == (
        "Given an expired coupon, When it is applied, Then the total stays the same, And a message is shown",
        "Given a valid coupon, When it is applied, Then the total goes down",
    )


def test_sentences_with_should_and_must_are_demands_and_questions_are_not() -> None:
    body = "The total should be rounded. It must never be negative, e.g. by -0.01. Should we log it? Nice to have."
    found = planned(ticket("Round the total", body), SHOP)
    assert found.acceptance == ("The total should be rounded.", "It must never be negative, e.g. by -0.01.")
    assert found.questions == ("Should we log it?",)


def test_a_plain_list_counts_when_nothing_plainer_is_said() -> None:
    found = planned(ticket("Tidy the cart", "1. `Cart.total` caches\n2) drop dead code\n• add a test"), SHOP)
    assert found.acceptance == ("`Cart.total` caches", "drop dead code", "add a test")


def test_the_title_is_the_demand_when_nothing_else_is() -> None:
    assert planned(ticket("Login must be case-insensitive"), SHOP).acceptance == ("Login must be case-insensitive",)


@pytest.mark.parametrize("fence", ["```", "~~~", "````"])
def test_code_is_never_a_demand(fence: str) -> None:
    body = f"{fence}python\n# you should not read this\n- [ ] nor this\n{fence}\nThe cart should be empty."
    assert planned(ticket("Cart", body), SHOP).acceptance == ("The cart should be empty.",)


def test_vendored_generated_and_change_logs_come_last_if_at_all() -> None:
    files = planned(ticket("Cart: apply_coupon ignores the case of the coupon code"), SHOP).files
    assert files[0] == "shop/cart.py"
    assert not {"vendor/flask/cart.py", "shop/static/app.min.js", "CHANGELOG.md"} & set(files[:4])


def test_a_name_of_code_leads_to_its_file_and_its_test() -> None:
    files = planned(ticket("parseDate() breaks on leap days", "`parseDate('2024-02-29')` should work"), NODE).files
    assert files[:2] == ("src/parser/parseDate.ts", "src/parser/parseDate.test.ts")
    assert "dist/index.js" not in files[:4]


def test_a_dotted_module_leads_to_its_file() -> None:
    files = planned(ticket("shop.auth.login leaks timing", "See shop.auth.login."), SHOP).files
    assert files[0] == "shop/auth/login.py"


def test_a_quoted_message_is_searched_for_as_a_whole() -> None:
    repositories = TreeInMemory(SHOP)
    asked = ticket("Wrong wording", 'It says "The coupon has expired." to the customer')
    found = plan(asked, repositories, HeuristicPlanner(repositories))
    assert found.files[0] == "shop/coupons.py"
    assert "The coupon has expired." in repositories.searched


def test_a_documentation_ticket_prefers_documents() -> None:
    assert planned(ticket("Docs: explain sessions in the README"), SHOP).files[0] == "README.md"


def test_at_most_twelve_files_are_named() -> None:
    tree = {f"src/cart_{n}.py": "cart" for n in range(100)}
    assert len(planned(ticket("All cart files lose the cart"), tree).files) == 12


def test_a_name_that_cannot_be_shown_stands_in_no_plan() -> None:
    tree = {"cart_\udce9.py": "cart", "cart\n.py": "cart", "cart_\u00e9.py": "cart"}
    assert planned(ticket("cart"), tree).files == ("cart_\u00e9.py",)


def test_the_search_is_bounded() -> None:
    repositories = TreeInMemory(SHOP)
    names = " ".join(f"some_name_{n}()" for n in range(200))
    plan(ticket("Many names", names), repositories, HeuristicPlanner(repositories))
    assert len(repositories.searched) <= 10


def test_written_checks_come_before_detected_ones_and_the_operators_before_both() -> None:
    mine = CheckSpec(name="mine", argv=("true",))
    tree = SHOP | {"loopy.toml": 'setup = [["make"]]\n[[checks]]\nname = "own"\nargv = ["make", "test"]\n'}
    assert [c.name for c in planned(ticket("x marks"), SHOP).checks] == ["pytest", "ruff"]
    own = planned(ticket("x marks"), tree)
    assert [c.name for c in own.checks] == ["own"]
    assert own.setup == (("make",),)
    above = planned(ticket("x marks"), tree, operator=ProjectConfig(checks=(mine,)))
    assert above.checks == (mine,)
    assert above.setup == (("make",),)


def test_detected_checks_are_said_to_be_detected() -> None:
    found = planned(ticket("parseDate"), NODE)
    assert [c.argv for c in found.checks] == [("npm", "run", "test"), ("npm", "run", "lint")]
    assert found.setup == (("npm", "ci", "--no-audit", "--no-fund"),)
    assert any("detected" in risk for risk in found.risks)


def test_a_repository_without_checks_is_a_risk() -> None:
    assert any("no checks were found" in risk for risk in planned(ticket("Add a page"), {"index.html": ""}).risks)


def test_a_broken_loopy_toml_is_told_with_its_commit() -> None:
    with pytest.raises(ConfigError, match=f"loopy.toml at {COMMIT[:12]}: chekcs"):
        planned(ticket("x"), {"loopy.toml": "chekcs = []"})


@pytest.mark.parametrize(
    "title", ["fix bugs", "Improve performance", "clean up the code", "make it better", "refactor"]
)
def test_a_vague_ticket_is_asked_about(title: str) -> None:
    assert any("can mean many things" in q for q in planned(ticket(title), SHOP).questions)


def test_a_clear_short_ticket_is_not_called_vague() -> None:
    assert not any("many things" in q for q in planned(ticket("Fix the rounding of Cart.total"), SHOP).questions)


def test_a_named_file_that_is_not_there_is_asked_about() -> None:
    found = planned(
        ticket("Split the cart", "Move `Cart.total` to shop/pricing.py; keep cart.py as it should be."), SHOP
    )
    assert any("shop/pricing.py" in q for q in found.questions)
    assert not any("names cart.py" in q for q in found.questions)


def test_a_target_that_is_not_the_tips_branch_is_a_risk() -> None:
    found = planned(ticket("Fix Cart.total"), SHOP | {"loopy.toml": 'target = "develop"'})
    assert found.target == "develop"
    assert any("asks for the branch 'develop', and the work stands on 'main'" in risk for risk in found.risks)


def test_open_ends_of_the_ticket_are_questions() -> None:
    found = planned(ticket("Cart limits", "The limit should hold. The exact number is TBD."), SHOP)
    assert "The exact number is TBD." in found.questions


def test_dirty_words_and_dangerous_places_are_risks() -> None:
    body = "Drop the coupon column from all users tables across the whole project; see shop/migrations/0001_initial.py."
    risks = " | ".join(planned(ticket("Rewrite coupons from scratch", body), SHOP).risks)
    for words in ("rewrite", "whole repository", "deletes data", "the database schema: shop/migrations"):
        assert words in risks


def test_the_plan_stands_on_the_tip_and_carries_lessons() -> None:
    repositories = TreeInMemory(SHOP, branch="trunk")
    found = plan(ticket("Fix Cart.total"), repositories, HeuristicPlanner(repositories), ["run ruff first"])
    assert (found.base, found.target, found.planner) == (COMMIT, "trunk", "heuristic")
    assert found.lessons == ("run ruff first",)
    assert found.goal == "Fix Cart.total"


def test_a_ticket_without_a_repository_cannot_be_planned() -> None:
    with pytest.raises(ConfigError, match="names no repository"):
        planned(ticket("x", repo=""), SHOP)


@pytest.mark.parametrize(
    "text",
    ["", "\x00\x1b[31m", "- [ ]", "#" * 5000, "`" * 4001, "a" * 50_000, "()" * 5000, "x/" * 5000, "a_" * 20_000, "A" * 20_000,
     "Given " * 3000, '"' * 9999, "--" * 5000, "- - " * 5000, "1.1" * 9000, "Should " * 5000 + "?", "a.b." * 9000, "a b.c/" * 9000, "# " * 9000, "**a " * 9000, " " * 50_000 + "x",
     "\n" * 50_000, "a://" * 9000, "Error: " * 9000, "i.e. " * 9000],
)  # fmt: skip
@pytest.mark.timeout(5)
def test_no_text_is_too_strange_or_too_slow_to_plan(text: str) -> None:
    planned(ticket("Odd", text), SHOP)
