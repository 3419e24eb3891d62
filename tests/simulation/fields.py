"""Every field of every fact, answer and option: where the simulation looks at it, or why it does not.  fields.py

A field is seen if the text that is given for it stands in a file of tests/simulation; what is given as None follows the
field's own name (`fact.NAME` and the like). A new field that is in neither list fails, and so does one that is gone."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def fields_of(text, struct):
    """The names of a struct's data members, in their order."""
    begin = re.search(rf"\bstruct {struct}(?: final)? \{{", text)
    if begin is None:
        return None
    depth, at = 1, begin.end()
    body = []
    while depth:
        char = text[at]
        depth += (char == "{") - (char == "}")
        if depth == 1 and char != "}":
            body.append(char)
        elif depth == 1:
            body.append(
                " {};" if re.search(r"\)[^;]*$", "".join(body)) else " "
            )  # a function's body ends its statement
        at += 1
    names = []
    for statement in re.sub(r"//[^\n]*", "", "".join(body)).split(";"):
        statement = " ".join(statement.split())
        if not statement or re.match(r"(static|constexpr|using|enum|struct|friend|bool operator)\b", statement):
            continue
        if "(" in statement.split("=")[0]:
            continue
        plain = re.sub(r"<[^<>]*>", "", re.sub(r"<[^<>]*>", "", statement))
        for declared in plain.split(","):
            name = re.search(r"(\w+)(?:\[[^\]]*\])?(?: ?: ?\d+)?$", declared.split("=")[0].strip())
            names.append(name.group(1))
    return names


def main():
    from fields_table import STRUCTS  # beside this file

    seen = "\n".join(path.read_text() for path in sorted((ROOT / "tests/simulation").glob("*.[ch]pp")))
    seen = " ".join(seen.split())
    problems, fields, exceptions = [], 0, 0
    for path, structs in STRUCTS.items():
        text = (ROOT / path).read_text()
        for struct, table in structs.items():
            names = fields_of(text, struct)
            if names is None:
                problems.append(f"{path} has no struct {struct}")
                continue
            fields += len(names)
            for name in names:
                if name not in table:
                    problems.append(f"{struct}::{name} ({path}) is looked at by nothing that fields_table.py knows of")
            for name, where in table.items():
                if name not in names:
                    problems.append(f"{struct}::{name} is in fields_table.py and not in {path}")
                elif where.startswith("because "):
                    exceptions += 1
                elif " ".join(where.split()) not in seen:
                    problems.append(f"{struct}::{name}: `{where}` is in no file of tests/simulation")
    for problem in problems:
        print(problem)
    print(f"{fields} fields, {exceptions} of them with a reason why they are not looked at")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
