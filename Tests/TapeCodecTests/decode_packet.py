#!/usr/bin/env python3
"""Decodes packets of the tape by nothing but the SBE schema in XML.

    decode_packet.py SCHEMA packet.hex...   JSON: one list of messages per packet
    decode_packet.py SCHEMA --tables        the schema as Markdown tables

The independent reader of the wire format: it shares no code with the Swift one. The checksum is
not verified, because Python's standard library has no XXH3.
"""
import json
import pathlib
import struct
import sys
import xml.etree.ElementTree as tree

FORMATS = {
    "uint8": "<B", "uint16": "<H", "uint32": "<I", "uint64": "<Q", "int64": "<q",
}


class Schema:
    def __init__(self, path):
        root = tree.parse(path).getroot()
        self.id = int(root.get("id"))
        types = root.find("types")
        self.types = {each.get("name"): each for each in types}
        self.messages = {int(each.get("id")): each for each in root if each.tag.endswith("message")}

    def width(self, name):
        if name in FORMATS:
            return struct.calcsize(FORMATS[name])
        kind = self.types[name]
        if kind.tag == "composite":
            return sum(self.width(each.get("primitiveType")) for each in kind)
        if kind.tag in ("enum", "set"):
            return self.width(kind.get("encodingType"))
        if kind.get("primitiveType") == "char":
            return int(kind.get("length"))
        return self.width(kind.get("primitiveType"))

    def value(self, name, data):
        """Returns a field as text: its meaning and not only its bits."""
        if name in FORMATS:
            return str(struct.unpack(FORMATS[name], data)[0])
        kind = self.types[name]
        if kind.tag == "composite":
            low, high = struct.unpack("<Qq", data)
            return str((high << 64) + low)
        if kind.tag == "enum":
            number = self.value(kind.get("encodingType"), data)
            names = {each.text: each.get("name") for each in kind}
            return names.get(number, f"unknown {number}")
        if kind.tag == "set":
            bits = int(self.value(kind.get("encodingType"), data))
            return "|".join(e.get("name") for e in kind if bits >> int(e.text) & 1)
        if kind.get("primitiveType") == "char":
            return data.rstrip(b"\0").decode("ascii")
        text = self.value(kind.get("primitiveType"), data)
        return "undefined" if text == kind.get("nullValue") else text


def decode(schema, packet):
    messages, offset = [], 0
    while offset < len(packet):
        block, template, schema_id, version = struct.unpack_from("<HHHH", packet, offset)
        if schema_id != schema.id:
            raise ValueError(f"schema {schema_id} at {offset}")
        body = offset + 8
        offset = body + block
        data = []
        for _ in range(template >> 8 & 0xF):
            (length,) = struct.unpack_from("<I", packet, offset)
            data.append(packet[offset + 4 : offset + 4 + length])
            offset += 4 + length
        if offset > len(packet):
            raise ValueError(f"a message ends at {offset} of {len(packet)}")
        known = schema.messages.get(template)
        if known is None:
            messages.append({"message": f"unknown {template}", "fields": {}})
            continue
        fields = {}
        for field in known.findall("field"):
            if version < int(field.get("sinceVersion", "0")):
                continue
            start = body + int(field.get("offset"))
            width = schema.width(field.get("type"))
            if start + width > body + block:
                raise ValueError(f"{known.get('name')} has {block} bytes at {body}")
            fields[field.get("name")] = schema.value(
                field.get("type"), packet[start : start + width])
        for field, content in zip(known.findall("data"), data, strict=True):
            fields[field.get("name")] = content.decode("utf-8")
        messages.append({"message": known.get("name"), "fields": fields})
    return messages


def tables(schema):
    """Returns a description of every byte of every block, in Markdown."""
    lines = []
    for template, message in schema.messages.items():
        block = int(message.get("blockLength"))
        lines += [f"### {message.get('name')}", ""]
        tick = "a tick" if template & 0x8000 else "no tick"
        lines += [f"Template 0x{template:04x}, block of {block} bytes, {tick}.", ""]
        lines += ["| offset | bytes | field | type | |", "| --- | --- | --- | --- | --- |"]
        end = 0
        for field in message.findall("field"):
            offset, kind = int(field.get("offset")), field.get("type")
            width = schema.width(kind)
            if offset < end or offset + width > block:
                raise ValueError(f"{message.get('name')}.{field.get('name')} overlaps")
            end = offset + width
            note = field.get("description", "")
            if field.get("sinceVersion"):
                note = f"{note} since version {field.get('sinceVersion')}".strip()
            lines.append(f"| {offset} | {width} | {field.get('name')} | {kind} | {note} |")
        data = message.findall("data")
        if len(data) != template >> 8 & 0xF:
            raise ValueError(f"{message.get('name')} has {len(data)} variable fields")
        for field in data:
            note = field.get("description", "")
            lines.append(f"| behind | 4 + n | {field.get('name')} | varData | {note} |")
        lines.append("")
    lines += ["### Types", "", "| type | bytes | values |", "| --- | --- | --- |"]
    for name, kind in schema.types.items():
        if name in ("messageHeader", "varData"):
            continue
        if kind.tag == "enum":
            values = ", ".join(f"{e.text} {e.get('name')}" for e in kind)
        elif kind.tag == "set":
            values = ", ".join(f"bit {e.text} {e.get('name')}" for e in kind)
        else:
            values = kind.get("description") or "a number"
            if kind.get("nullValue"):
                values += f"; {kind.get('nullValue')} = undefined"
        lines.append(f"| {name} | {schema.width(name)} | {values} |")
    return "\n".join(lines) + "\n"


def main(arguments):
    schema = Schema(arguments[0])
    if arguments[1:] == ["--tables"]:
        sys.stdout.write(tables(schema))
        return
    packets = [bytes.fromhex(pathlib.Path(path).read_text()) for path in arguments[1:]]
    json.dump([decode(schema, packet) for packet in packets], sys.stdout, ensure_ascii=False)


if __name__ == "__main__":
    main(sys.argv[1:])
