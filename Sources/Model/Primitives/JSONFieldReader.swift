/// Reads chosen members of JSON messages for hot paths: one pass over the bytes, no copy, and no
/// allocation per message. It checks the whole message, also what nobody asks for, so that a
/// message is either right as a whole or an error.
///
/// Ask for members by their paths (`data.p`), once; then read message after message. Elements of
/// arrays have no path. One thread owns a reader.
public struct JSONFieldReader: Sendable {
    /// The deepest nesting that is read. A deeper message is an error.
    public static let depthMax = 16
    /// The most members that may be asked for.
    public static let fieldsMax = 32

    /// A member of the message that was read last.
    public struct Field: Hashable, Sendable {
        public enum Kind: UInt8, Sendable {
            /// The message does not have it.
            case absent
            case text
            case number
            case bool
            case null
            case object
            case array
        }

        public var kind = Kind.absent
        /// Whether a text has escapes, so that its bytes are not what it means.
        public var hasEscapes = false
        /// Its bytes in the message, those of a text without the quotes.
        public var start = 0
        public var end = 0

        public init() {}
    }

    /// A member on the way to those that were asked for. The first is the message itself.
    private struct Node {
        var name: Range<Int>
        /// Its number among the fields; -1: only members of it are asked for.
        var field = -1
        /// Other nodes; -1: none.
        var firstChild = -1
        var nextSibling = -1
        /// Which of its members came first, and which member of the same object came after it, in
        /// the message before; -1: unknown. A market writes its members in one order.
        var leader = -1
        var follower = -1
        /// The message in which it came last.
        var seen: UInt64 = 0
    }

    private var nodes = [Node(name: 0..<0)]
    /// The bytes of all names.
    private var names: [UInt8] = []
    private var fields: [Field] = []
    private var index = 0
    /// Whether no message of the array was read.
    private var isFirst = true
    /// The number of the message.
    private var turn: UInt64 = 0

    /// `paths`: the members, with a dot between the names. A field has the number of its path.
    public init(_ paths: [String]) {
        precondition(paths.count <= Self.fieldsMax, "at most \(Self.fieldsMax) fields")
        for (number, path) in paths.enumerated() {
            var node = 0
            for name in path.split(separator: ".") { node = child(of: node, Array(name.utf8)) }
            precondition(node > 0 && nodes[node].field < 0, "the path '\(path)' is there twice")
            nodes[node].field = number
        }
        fields = [Field](repeating: Field(), count: paths.count)
    }

    private mutating func child(of parent: Int, _ name: [UInt8]) -> Int {
        var found = nodes[parent].firstChild
        while found >= 0, Array(names[nodes[found].name]) != name {
            found = nodes[found].nextSibling
        }
        if found >= 0 { return found }
        names += name
        nodes.append(
            Node(
                name: names.count - name.count..<names.count,
                nextSibling: nodes[parent].firstChild))
        nodes[parent].firstChild = nodes.count - 1
        return nodes.count - 1
    }

    /// Returns a field of the message that was read last, by the number of its path.
    public subscript(number: Int) -> Field { fields[number] }

    /// Reads a message. Returns what is wrong with it; `nil`: it is right, and the fields are those
    /// of this message.
    ///
    /// Beside what is no JSON, a member that comes twice is an error if it or a member of it was
    /// asked for, and so is a name with escapes: no market writes one, and it could hide a member.
    public mutating func read(_ bytes: RawSpan) -> JSONError? {
        for number in fields.indices { fields[number] = Field() }
        index = 0
        turn &+= 1
        do throws(JSONError) {
            guard bytes.byteCount <= JSONValue.bytesMax else { throw error(.tooLarge) }
            _ = try value(bytes, node: 0, depth: 0)
            skipSpace(bytes)
            guard index == bytes.byteCount else { throw error(.trailing) }
            return nil
        } catch {
            return error
        }
    }

    // MARK: arrays of messages

    /// What comes next in an array of messages.
    public enum Element: Equatable, Sendable {
        /// A message, whose members are the fields, and its place in the array.
        case message(Range<Int>)
        case end
        /// The rest cannot be read.
        case wrong(JSONError)
    }

    /// Begins an array of messages, which `next` reads one by one. Returns what is wrong with its
    /// beginning.
    ///
    /// The messages before a mistake are read before it is found.
    public mutating func begin(_ bytes: RawSpan) -> JSONError? {
        index = 0
        isFirst = true
        do throws(JSONError) {
            guard bytes.byteCount <= JSONValue.bytesMax else { throw error(.tooLarge) }
            skipSpace(bytes)
            guard try peek(bytes) == UInt8(ascii: "[") else { throw error(.unexpected) }
            index += 1
            return nil
        } catch {
            return error
        }
    }

    /// Reads the next message of the array. Nothing is to be read after the end or a mistake.
    public mutating func next(_ bytes: RawSpan) -> Element {
        for number in fields.indices { fields[number] = Field() }
        turn &+= 1
        do throws(JSONError) {
            skipSpace(bytes)
            var isOver = false
            if !isFirst {
                isOver = try closes(bytes, UInt8(ascii: "]"))
            } else if try peek(bytes) == UInt8(ascii: "]") {
                index += 1
                isOver = true
            }
            guard !isOver else {
                skipSpace(bytes)
                guard index == bytes.byteCount else { throw error(.trailing) }
                return .end
            }
            isFirst = false
            skipSpace(bytes)
            let start = index
            guard try peek(bytes) == UInt8(ascii: "{") else { throw error(.unexpected) }
            _ = try value(bytes, node: 0, depth: 1)
            return .message(start..<index)
        } catch {
            return .wrong(error)
        }
    }

    // MARK: values

    private func error(_ reason: JSONError.Reason) -> JSONError {
        JSONError(reason: reason, offset: index)
    }

    @inline(__always)
    private mutating func skipSpace(_ bytes: RawSpan) {
        while index < bytes.byteCount {
            let byte = bytes.uint8(at: index)
            guard byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 else { return }
            index += 1
        }
    }

    @inline(__always)
    private func peek(_ bytes: RawSpan) throws(JSONError) -> UInt8 {
        guard index < bytes.byteCount else { throw error(.endOfText) }
        return bytes.uint8(at: index)
    }

    /// Reads a value. `node` is where it is on the way to the fields; -1: nobody asks for it.
    private mutating func value(
        _ bytes: RawSpan, node: Int, depth: Int
    ) throws(JSONError) -> Field {
        guard depth < Self.depthMax else { throw error(.tooDeep) }
        skipSpace(bytes)
        var field = Field()
        field.start = index
        let byte = try peek(bytes)
        if byte == UInt8(ascii: "\"") {
            field.kind = .text
            field.start += 1
            field.hasEscapes = try text(bytes)
            field.end = index - 1
            return field
        } else if byte == UInt8(ascii: "{") {
            field.kind = .object
            try object(bytes, node: node, depth: depth)
        } else if byte == UInt8(ascii: "[") {
            field.kind = .array
            try array(bytes, depth: depth)
        } else if byte == UInt8(ascii: "t") {
            field.kind = .bool
            try literal(bytes, "true")
        } else if byte == UInt8(ascii: "f") {
            field.kind = .bool
            try literal(bytes, "false")
        } else if byte == UInt8(ascii: "n") {
            field.kind = .null
            try literal(bytes, "null")
        } else {
            field.kind = .number
            try number(bytes)
        }
        field.end = index
        return field
    }

    private mutating func object(
        _ bytes: RawSpan, node: Int, depth: Int
    ) throws(JSONError) {
        index += 1
        skipSpace(bytes)
        if try peek(bytes) == UInt8(ascii: "}") {
            index += 1
            return
        }
        var last = -1
        while true {
            skipSpace(bytes)
            guard try peek(bytes) == UInt8(ascii: "\"") else { throw error(.unexpected) }
            let start = index + 1
            guard try !text(bytes) else { throw error(.escapedName) }
            let member = node < 0 ? -1 : find(bytes, start..<index - 1, in: node, after: last)
            if member >= 0 {
                guard nodes[member].seen != turn else { throw error(.repeated) }
                nodes[member].seen = turn
                last = member
            }
            skipSpace(bytes)
            guard try peek(bytes) == UInt8(ascii: ":") else { throw error(.unexpected) }
            index += 1
            let found = try value(bytes, node: member, depth: depth + 1)
            if member >= 0, nodes[member].field >= 0 {
                fields[nodes[member].field] = found
            }
            if try closes(bytes, UInt8(ascii: "}")) { return }
        }
    }

    /// Returns the node of a name; -1: nobody asks for it. `last`: the node before it in the same
    /// object; -1: it is the first.
    @inline(__always)
    private mutating func find(
        _ bytes: RawSpan, _ name: Range<Int>, in parent: Int, after last: Int
    ) -> Int {
        let expected = last < 0 ? nodes[parent].leader : nodes[last].follower
        if expected >= 0, isNamed(expected, name, bytes) { return expected }
        let found = search(bytes, name, in: parent)
        guard found >= 0 else { return -1 }
        if last < 0 { nodes[parent].leader = found } else { nodes[last].follower = found }
        return found
    }

    private func search(_ bytes: RawSpan, _ name: Range<Int>, in parent: Int) -> Int {
        var found = nodes[parent].firstChild
        while found >= 0, !isNamed(found, name, bytes) { found = nodes[found].nextSibling }
        return found
    }

    @inline(__always)
    private func isNamed(_ node: Int, _ name: Range<Int>, _ bytes: RawSpan) -> Bool {
        let wanted = nodes[node].name
        guard wanted.count == name.count else { return false }
        for place in 0..<wanted.count {
            guard
                names[wanted.lowerBound + place] == bytes.uint8(at: name.lowerBound + place)
            else { return false }
        }
        return true
    }

    private mutating func array(_ bytes: RawSpan, depth: Int) throws(JSONError) {
        index += 1
        skipSpace(bytes)
        if try peek(bytes) == UInt8(ascii: "]") {
            index += 1
            return
        }
        while true {
            _ = try value(bytes, node: -1, depth: depth + 1)
            if try closes(bytes, UInt8(ascii: "]")) { return }
        }
    }

    /// Reads what follows an element: returns false for a comma and true for the closing bracket.
    private mutating func closes(_ bytes: RawSpan, _ bracket: UInt8) throws(JSONError) -> Bool {
        skipSpace(bytes)
        let byte = try peek(bytes)
        guard byte == bracket || byte == UInt8(ascii: ",") else { throw error(.unexpected) }
        index += 1
        return byte == bracket
    }

    private mutating func literal(_ bytes: RawSpan, _ word: String) throws(JSONError) {
        for byte in word.utf8 {
            guard try peek(bytes) == byte else { throw error(.unexpected) }
            index += 1
        }
    }

    private mutating func number(_ bytes: RawSpan) throws(JSONError) {
        if try peek(bytes) == UInt8(ascii: "-") { index += 1 }
        let isZero = try peek(bytes) == UInt8(ascii: "0")
        let whole = try digits(bytes)
        guard whole == 1 || !isZero else { throw error(.badNumber) }
        if index < bytes.byteCount, bytes.uint8(at: index) == UInt8(ascii: ".") {
            index += 1
            _ = try digits(bytes)
        }
        if index < bytes.byteCount, bytes.uint8(at: index) | 0x20 == UInt8(ascii: "e") {
            index += 1
            let sign = try peek(bytes)
            if sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") { index += 1 }
            _ = try digits(bytes)
        }
    }

    private mutating func digits(_ bytes: RawSpan) throws(JSONError) -> Int {
        let start = index
        while index < bytes.byteCount, bytes.uint8(at: index) &- 0x30 <= 9 { index += 1 }
        guard index > start else {
            throw error(start < bytes.byteCount ? .badNumber : .endOfText)
        }
        return index - start
    }

    // MARK: texts

    /// Reads a text with its quotes. Returns whether it has escapes.
    private mutating func text(_ bytes: RawSpan) throws(JSONError) -> Bool {
        index += 1
        var hasEscapes = false
        while true {
            skipPlain(bytes)
            let byte = try peek(bytes)
            guard byte < 0x80 else {
                try wide(bytes, first: byte)
                continue
            }
            guard byte >= 0x20 else { throw error(.unexpected) }
            index += 1
            if byte == UInt8(ascii: "\"") { return hasEscapes }
            if byte == UInt8(ascii: "\\") {
                hasEscapes = true
                try escape(bytes)
            }
        }
    }

    /// Skips the characters of one byte that mean themselves.
    @inline(__always)
    private mutating func skipPlain(_ bytes: RawSpan) {
        var place = index
        while place < bytes.byteCount {
            let byte = bytes.uint8(at: place)
            guard byte &- 0x20 < 0x60, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\")
            else { break }
            place += 1
        }
        index = place
    }

    private mutating func escape(_ bytes: RawSpan) throws(JSONError) {
        let byte = try peek(bytes)
        index += 1
        guard byte == UInt8(ascii: "u") else {
            guard "\"\\/bfnrt".utf8.contains(byte) else { throw error(.badEscape) }
            return
        }
        for _ in 0..<4 {
            let digit = try peek(bytes)
            let isDigit = digit &- 0x30 <= 9 || (digit | 0x20) &- 0x61 <= 5
            guard isDigit else { throw error(.badEscape) }
            index += 1
        }
    }

    /// Reads one character of several bytes. What is no UTF-8 is an error.
    private mutating func wide(_ bytes: RawSpan, first: UInt8) throws(JSONError) {
        guard first >= 0xc2, first <= 0xf4 else { throw error(.badText) }
        let count = first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3
        // The second byte is limited where a shorter form or no character would come of it.
        var least: UInt8 = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80
        var most: UInt8 = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf
        index += 1
        for _ in 0..<count {
            let byte = try peek(bytes)
            guard byte >= least, byte <= most else { throw error(.badText) }
            (least, most) = (0x80, 0xbf)
            index += 1
        }
    }
}

// What a field says. `bytes` is the message that was read.
extension JSONFieldReader.Field {
    /// Returns whether it is this text, which has no character that JSON escapes.
    public func isText(_ text: String, in bytes: RawSpan) -> Bool {
        guard kind == .text, !hasEscapes, end - start == text.utf8.count else { return false }
        var place = start
        for byte in text.utf8 {
            guard bytes.uint8(at: place) == byte else { return false }
            place += 1
        }
        return true
    }

    /// Returns a whole number of 64 bits, `nil` when it is none, or is no number.
    public func uint64(in bytes: RawSpan) -> UInt64? {
        guard kind == .number else { return nil }
        var value: UInt64 = 0
        for place in start..<end {
            let digit = bytes.uint8(at: place) &- 0x30
            let (tens, isTooLarge) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = tens.addingReportingOverflow(UInt64(digit))
            guard digit <= 9, !isTooLarge, !carry else { return nil }
            value = sum
        }
        return value
    }

    /// Returns the exact decimal of a number, or of a text that is one, in units of 10^-decimals.
    public func decimal(
        in bytes: RawSpan, decimals: Int
    ) throws(FixedPoint.ParseError) -> Int64 {
        guard kind == .number || kind == .text else { throw .notANumber }
        return try FixedPoint.parse(bytes.extracting(start..<end), decimals: decimals)
    }

    /// Returns the text, of at most `bytesMax` bytes in the message; `nil` when it is none, or is
    /// longer. It allocates, so it is not for hot paths.
    public func text(in bytes: RawSpan, bytesMax: Int) -> String? {
        guard kind == .text, end - start <= bytesMax else { return nil }
        guard hasEscapes else { return bytes.extracting(start..<end).text }
        let quoted = bytes.extracting(start - 1..<end + 1).array
        do throws(JSONError) {
            return try JSONValue.parse(quoted).string
        } catch {
            return nil
        }
    }
}
