# Apache-2.0 OR MIT
"""The pages say what the code takes."""

import os
import unittest

import yaml

import ansible_collections.oomguard.host.plugins.action.memory_policy as action

ROOT = os.path.join(os.path.dirname(action.__file__), "../..")


def load(path):
    """A YAML file of the collection."""
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return yaml.safe_load(file)


def form(options):
    """What of options a program reads."""
    keys = ["type", "choices", "default"]
    return {name: {key: option[key] for key in keys if key in option} for name, option in options.items()}


class TestDocuments(unittest.TestCase):
    """Module, role and examples."""

    def test_the_module_takes_what_its_page_says(self):
        page = load("plugins/modules/memory_policy.yml")
        self.assertEqual(form(page["DOCUMENTATION"]["options"]), form(action.ARGUMENTS))

    def test_the_role_takes_the_same(self):
        options = load("roles/memory_policy/meta/argument_specs.yml")["argument_specs"]["main"]["options"]
        short = {name.removeprefix("memory_policy_"): option for name, option in options.items()}
        self.assertEqual(form(short), form(action.ARGUMENTS))
        (task,) = load("roles/memory_policy/tasks/main.yml")
        self.assertEqual(set(task["oomguard.host.memory_policy"]), set(action.ARGUMENTS))
        defaults = {name: option["default"] for name, option in options.items() if "default" in option}
        self.assertEqual(load("roles/memory_policy/defaults/main.yml"), defaults)

    def test_the_examples_use_it(self):
        tasks = yaml.safe_load(load("plugins/modules/memory_policy.yml")["EXAMPLES"])
        self.assertGreaterEqual(len(tasks), 5)
        for task in tasks:
            self.assertLessEqual(set(task["oomguard.host.memory_policy"]), set(action.ARGUMENTS))
            self.assertIs(task["become"], True)


if __name__ == "__main__":
    unittest.main()
