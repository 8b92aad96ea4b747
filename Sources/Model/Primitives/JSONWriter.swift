/// Writes JSON text into one growing byte buffer, for logs, status pages and API requests.
///
/// The writer inserts the commas. The caller must match opening and closing calls; anything else is
/// a bug.
public struct JSONWriter: Sendable {
    public internal(set) var bytes: [UInt8] = []
    private var needsComma = false
    private var depth = 0

    public init(capacity: Int = 256) { bytes.reserveCapacity(capacity) }

    public var text: String { String(decoding: bytes, as: UTF8.self) }

    public mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
        needsComma = false
        depth = 0
    }

    /// Returns an object; with a `version` it is a document of that version.
    public static func made(
        capacity: Int = 256, version: Int? = nil, _ members: (inout JSONWriter) -> Void
    ) -> JSONWriter {
        var json = JSONWriter(capacity: capacity)
        if let version { json.object(version: version, members) } else { json.object(members) }
        return json
    }

    // MARK: structure

    public mutating func object(_ body: (inout JSONWriter) -> Void) {
        open(UInt8(ascii: "{"))
        body(&self)
        close(UInt8(ascii: "}"))
    }

    public mutating func array(_ body: (inout JSONWriter) -> Void) {
        open(UInt8(ascii: "["))
        body(&self)
        close(UInt8(ascii: "]"))
    }

    public mutating func key(_ name: String) { key(name, suffix: "") }

    /// Writes a name that consists of both parts.
    mutating func key(_ name: String, suffix: String) {
        quoted(name, suffix)
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
    }

    // MARK: values

    public mutating func value(_ text: String) { quoted(text, "") }

    public mutating func value(_ number: some BinaryInteger) {
        if let number = UInt64(exactly: number) {
            value(number)
        } else {
            literal(String(number))
        }
    }

    public mutating func value(_ number: UInt64) {
        comma()
        bytes.append(digitsOf: number)
    }

    /// Writes a number. JSON has no NaN and no infinities: they become `null`.
    public mutating func value(_ number: Double) {
        literal(number.isFinite ? "\(number)" : "null")
    }

    public mutating func value(_ flag: Bool) {
        literal(flag ? "true" : "false")
    }

    public mutating func null() { literal("null") }

    /// Writes text that is already JSON: a number whose digits must stay as they are.
    public mutating func literal(_ json: String) {
        comma()
        bytes.append(contentsOf: json.utf8)
    }

    // MARK: members

    public mutating func member(_ name: String, _ text: String) {
        key(name)
        value(text)
    }

    public mutating func member(_ name: String, _ number: some BinaryInteger) {
        key(name)
        value(number)
    }

    public mutating func member(_ name: String, _ number: UInt64) {
        key(name)
        value(number)
    }

    public mutating func member(_ name: String, _ number: Double) {
        key(name)
        value(number)
    }

    public mutating func member(_ name: String, _ flag: Bool) {
        key(name)
        value(flag)
    }

    /// Writes `null` where there is no text.
    public mutating func member(_ name: String, _ text: String?) {
        key(name)
        if let text { value(text) } else { null() }
    }

    public mutating func object(_ name: String, _ body: (inout JSONWriter) -> Void) {
        key(name)
        object(body)
    }

    public mutating func array(_ name: String, _ body: (inout JSONWriter) -> Void) {
        key(name)
        array(body)
    }

    public mutating func member(_ name: String, values: some Sequence<String>) {
        array(name) { json in for value in values { json.value(value) } }
    }

    public mutating func member(_ name: String, values: some Sequence<some BinaryInteger>) {
        array(name) { json in for value in values { json.value(value) } }
    }

    /// Writes an array, element by element.
    @inlinable
    public mutating func array<Element>(
        _ name: String, of elements: some Sequence<Element>,
        _ write: (inout JSONWriter, Element) -> Void
    ) {
        array(name) { json in for element in elements { write(&json, element) } }
    }

    /// Writes a list of objects. `write` writes the members of one.
    @inlinable
    public mutating func member<Item>(
        _ name: String, each items: some Sequence<Item>, _ write: (Item, inout JSONWriter) -> Void
    ) {
        array(name, of: items) { json, item in json.object { write(item, &$0) } }
    }

    // MARK: parts

    private mutating func open(_ bracket: UInt8) {
        comma()
        bytes.append(bracket)
        needsComma = false
        depth += 1
    }

    private mutating func close(_ bracket: UInt8) {
        precondition(depth > 0, "a JSON value was closed that was never opened")
        depth -= 1
        bytes.append(bracket)
        needsComma = true
    }

    mutating func comma() {
        if needsComma { bytes.append(UInt8(ascii: ",")) }
        needsComma = true
    }

    /// Writes both parts as one text, in one append; texts that need an escape are rare.
    private mutating func quoted(_ text: String, _ suffix: String) {
        let (text, suffix) = (text.utf8.span, suffix.utf8.span)
        let start = bytes.count
        let comma = needsComma
        var isPlain = true
        bytes.append(addingCapacity: text.count + suffix.count + 3) { output in
            if comma { output.append(UInt8(ascii: ",")) }
            output.append(UInt8(ascii: "\""))
            isPlain = output.append(plain: text) && output.append(plain: suffix)
            output.append(UInt8(ascii: "\""))
        }
        needsComma = true
        if isPlain { return }
        bytes.removeLast(bytes.count - start)
        needsComma = comma
        self.comma()
        bytes.append(UInt8(ascii: "\""))
        for index in text.indices { escaped(text[index]) }
        for index in suffix.indices { escaped(suffix[index]) }
        bytes.append(UInt8(ascii: "\""))
    }

    private mutating func escaped(_ byte: UInt8) {
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"):
            bytes.append(UInt8(ascii: "\\"))
            bytes.append(byte)
        case UInt8(ascii: "\n"): bytes.append(contentsOf: "\\n".utf8)
        case UInt8(ascii: "\t"): bytes.append(contentsOf: "\\t".utf8)
        case UInt8(ascii: "\r"): bytes.append(contentsOf: "\\r".utf8)
        case 0..<0x20:
            bytes.append(contentsOf: "\\u00".utf8)
            bytes.append(hexDigit(byte >> 4))
            bytes.append(hexDigit(byte & 15))
        default: bytes.append(byte)
        }
    }

    private func hexDigit(_ nibble: UInt8) -> UInt8 {
        nibble < 10 ? UInt8(ascii: "0") + nibble : UInt8(ascii: "a") + nibble - 10
    }
}

extension OutputSpan<UInt8> {
    /// Appends the text as it is. Returns false when JSON wants an escape in it.
    fileprivate mutating func append(plain text: Span<UInt8>) -> Bool {
        var isPlain = true
        for index in text.indices {
            let byte = text[index]
            isPlain =
                isPlain && byte >= 0x20 && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
            append(byte)
        }
        return isPlain
    }
}
