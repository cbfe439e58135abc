# SPDX-License-Identifier: BSD-3-Clause
"""A helper made with dbus-python (libdbus): ADDRESS ID FILE."""
import sys

import dbus
import dbus.bus
import dbus.service
from dbus.mainloop.glib import DBusGMainLoop
from gi.repository import GLib

NAME = "org.qemu.VMState1"


class Helper(dbus.service.Object):
    def __init__(self, bus, one, path):
        super().__init__(bus, "/org/qemu/VMState1")
        self.one = one
        self.path = path

    @dbus.service.method(NAME, in_signature="", out_signature="ay")
    def Save(self):
        with open(self.path, "rb") as file:
            return dbus.ByteArray(file.read())

    @dbus.service.method(NAME, in_signature="ay", out_signature="",
                         byte_arrays=True)
    def Load(self, data):
        if data == b"refuse":
            raise dbus.DBusException("no such state", name="org.example.No")
        with open(self.path, "wb") as file:
            file.write(data)

    @dbus.service.method(dbus.PROPERTIES_IFACE, in_signature="ss",
                         out_signature="v")
    def Get(self, interface, name):
        return self.GetAll(interface)[name]

    @dbus.service.method(dbus.PROPERTIES_IFACE, in_signature="s",
                         out_signature="a{sv}")
    def GetAll(self, _interface):
        return {"Id": self.one}


def main(address, one, path):
    DBusGMainLoop(set_as_default=True)
    bus = dbus.bus.BusConnection(address)
    helper = Helper(bus, one, path)
    bus.request_name(NAME)
    print("ready", helper.one, bus.get_unique_name(), flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main(*sys.argv[1:])
