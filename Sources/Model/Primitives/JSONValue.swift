/// A parsed JSON document. Numbers keep their text, so that no digit is lost in a `Double`.
public indirect enum JSONValue: Equatable, Sendable {
    case null
    case bool(Bool)
    case number(String)
    case string(String)
    case array([JSONValue])
    /// The members in document order. When a key is repeated, look-ups find the first one.
    case object([Member])

    public struct Member: Equatable, Sendable {
        public let key: String
        public let value: JSONValue

        public init(key: String, value: JSONValue) {
            self.key = key
            self.value = value
        }
    }

    public subscript(key: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.key == key }?.value
    }

    /// Follows object members: `value.at("config", "metadata")`.
    public func at(_ path: String...) -> JSONValue? {
        var found: JSONValue? = self
        for key in path { found = found?[key] }
        return found
    }

    public var string: String? {
        guard case .string(let text) = self else { return nil }
        return text
    }

    public var bool: Bool? {
        guard case .bool(let flag) = self else { return nil }
        return flag
    }

    public var array: [JSONValue]? {
        guard case .array(let elements) = self else { return nil }
        return elements
    }

    public var members: [Member]? {
        guard case .object(let members) = self else { return nil }
        return members
    }

    public var int: Int? { number.flatMap { Int($0) } }

    public var uint64: UInt64? { number.flatMap { UInt64($0) } }

    /// `nil` for a number beyond `Double`'s range: `1e999` would become an infinity, and converting
    /// that to an integer traps.
    public var double: Double? {
        number.flatMap { Double($0) }.flatMap { $0.isFinite ? $0 : nil }
    }

    private var number: String? {
        guard case .number(let text) = self else { return nil }
        return text
    }
}

public struct JSONError: Error, Equatable, Sendable, CustomStringConvertible {
    public enum Reason: String, Sendable {
        case endOfText = "the text ends too early"
        case unexpected = "unexpected character"
        case tooDeep = "nested too deep"
        case tooLarge = "larger than 16 MiB"
        case badEscape = "bad escape in a string"
        case badNumber = "not a number"
        case trailing = "text behind the value"
        case escapedName = "a name with escapes"
        case repeated = "a member that comes twice"
        case badText = "text that is no UTF-8"
    }

    public let reason: Reason
    public let offset: Int

    public var description: String { "JSON: \(reason.rawValue) at byte \(offset)" }
}
