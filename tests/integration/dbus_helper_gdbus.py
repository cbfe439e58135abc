# SPDX-License-Identifier: BSD-3-Clause
"""A helper made with GDBus: ADDRESS ID FILE."""
import sys

from gi.repository import Gio, GLib

NAME = "org.qemu.VMState1"
XML = f"""<node><interface name='{NAME}'>
  <property name='Id' type='s' access='read'/>
  <method name='Save'><arg type='ay' name='data' direction='out'/></method>
  <method name='Load'><arg type='ay' name='data' direction='in'/></method>
</interface></node>"""


def main(address, one, path):
    flags = (Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT
             | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION)
    bus = Gio.DBusConnection.new_for_address_sync(address, flags, None, None)

    def on_call(_bus, _sender, _path, _interface, method, arguments, call):
        if method == "Save":
            with open(path, "rb") as file:
                # GLib.Variant("ay", ...) takes a second for 1 MiB.
                data = GLib.Variant.new_from_bytes(
                    GLib.VariantType("ay"), GLib.Bytes(file.read()), True)
            call.return_value(GLib.Variant.new_tuple(data))
            return
        with open(path, "wb") as file:
            file.write(bytes(arguments.get_child_value(0).get_data_as_bytes()
                             .get_data() or b""))
        call.return_value(None)

    def on_get(_bus, _sender, _path, _interface, _name):
        return GLib.Variant("s", one)

    node = Gio.DBusNodeInfo.new_for_xml(XML)
    bus.register_object("/org/qemu/VMState1", node.interfaces[0], on_call,
                        on_get, None)
    # Flags 0: wait in the queue when it is taken.
    bus.call_sync("org.freedesktop.DBus", "/org/freedesktop/DBus",
                  "org.freedesktop.DBus", "RequestName",
                  GLib.Variant("(su)", (NAME, 0)), None,
                  Gio.DBusCallFlags.NONE, -1, None)
    print("ready", one, bus.get_unique_name(), flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main(*sys.argv[1:])
