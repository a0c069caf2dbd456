#!/usr/bin/python
# Apache-2.0 OR MIT
"""Where ansible finds the name; plugins/action/memory_policy.py does the work and memory_policy.yml documents it."""

from ansible.module_utils.basic import AnsibleModule


def main():
    """Says so to whoever gets here: no action plugin means no program on the host."""
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    module.fail_json(
        msg="oomguard.host.memory_policy runs through its action plugin, which was not found; "
        "call it by that full name, and install the whole collection"
    )


if __name__ == "__main__":
    main()
