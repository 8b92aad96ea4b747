/// One setting of a service: its name in the environment and in files, from which the flag's name
/// follows (`NATS_URL`, `--nats-url`).
public struct ConfigurationKey: Equatable, Sendable {
    /// The longest value, in bytes.
    public static let valueBytesMax = 4_096

    public let name: String
    public let kind: Kind
    /// The value when none is given; `nil`: the setting is then absent.
    public let defaultValue: String?
    /// Starting without a value is an error.
    public let required: Bool
    /// A secret is never printed and has no flag. It can also be read from the file that
    /// `<name>_FILE` names.
    public let isSecret: Bool
    /// The heading under which `--help` lists it.
    public let group: String
    /// One line with its purpose and unit.
    public let help: String

    /// A schema is code: a contradictory key stops the process when it is made.
    public init(
        _ name: String, _ kind: Kind, default defaultValue: String? = nil,
        required: Bool = false, secret isSecret: Bool = false, group: String = "Service",
        _ help: String
    ) {
        self.name = name
        self.kind = kind
        self.defaultValue = defaultValue
        self.required = required
        self.isSecret = isSecret
        self.group = group
        self.help = help
        precondition(EnvironmentFile.isName(name), "\(name): no name for a variable")
        precondition(name == name.uppercased(), "\(name): keys are written in capitals")
        precondition(!required || defaultValue == nil, "\(name): required, and has a default")
        precondition(!isSecret || kind == .text && defaultValue == nil, "\(name): a secret is text")
        precondition(!help.isEmpty && !help.contains("\n"), "\(name): the help is one line")
        if let defaultValue, case .failure(let expected) = kind.parse(defaultValue) {
            preconditionFailure("\(name): the default \(defaultValue) \(expected)")
        }
    }

    public var flag: String { Self.flag(of: name) }

    /// The name of a secret's file key: `POSTGRES_PASSWORD_FILE`.
    public var fileName: String? { isSecret ? name + "_FILE" : nil }

    /// Every name under which this key takes a value.
    var names: [String] { [name] + (fileName.map { [$0] } ?? []) }

    public static func flag(of name: String) -> String {
        "--" + name.lowercased().replacing("_", with: "-")
    }
}

extension ConfigurationKey {
    /// The allowed values. Ranges are in the unit of the value.
    public enum Kind: Equatable, Sendable {
        case text
        /// Lower-case letters, digits and the characters of `also`; begins with a letter or digit.
        case name(bytesMax: Int, also: String)
        case integer(ClosedRange<Int>)
        case real(ClosedRange<Double>)
        case flag
        /// `250ms`, `5s`, `2m`, `1h`
        case duration(ClosedRange<Duration>)
        /// One of these words, or a duration.
        case durationOr([String], ClosedRange<Duration>)
        /// `4096`, `64KiB`, `1GiB`
        case byteCount(ClosedRange<Int>)
        case choice([String])
        /// Comma-separated items.
        case list
        /// One URL with one of these schemes, without user and password.
        case url([String])
        /// Comma-separated URLs.
        case urls([String])
    }
}
