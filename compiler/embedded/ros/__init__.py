"""RouterOS: its scripting language and its menus as far as a firewall's scripts need them.

Written from MikroTik's manual (https://help.mikrotik.com/docs/spaces/ROS/pages/47579229/Scripting).
"""
