/// How far an action of a person has come.
public enum ActionStage: UInt8, CaseIterable, Sendable {
    /// It is about to be carried out.
    case asked = 1
    /// It was carried out.
    case done = 2
    /// Nothing was changed, and the outcome says why.
    case refused = 3
    /// It was begun, and what came of it is in the outcome or is not known.
    case failed = 4
    /// It stands, and was not done when the time was over for which it was waited for.
    case pending = 5
}

/// What a person did to a running deployment: one record before it is carried out, and another one
/// with its outcome. An action without a second record was cut off.
///
/// Both have the same number. They belong to no symbol.
public struct ActionRecord: Hashable, Sendable, HeadedRecord {
    public static let personBytesMax = 64
    public static let originBytesMax = 64
    public static let commandBytesMax = 1_024
    public static let reasonBytesMax = 256
    public static let outcomeBytesMax = 1_024

    public var header: TickHeader
    /// What both records of an action have in common.
    public var number: UInt64
    /// A raw `ActionStage`.
    public var stage: UInt8
    /// Who asked for it.
    public var person: String
    /// From where: the address of the person's browser.
    public var origin: String
    /// What was asked for: the words after `tapeline`.
    public var command: String
    /// Why, in the person's words.
    public var reason: String
    /// What came of it; empty in the first record.
    public var outcome: String

    public init(
        header: TickHeader, number: UInt64, stage: ActionStage, person: String, origin: String,
        command: String, reason: String, outcome: String = ""
    ) {
        self.header = header
        self.number = number
        self.stage = stage.rawValue
        self.person = person
        self.origin = origin
        self.command = command
        self.reason = reason
        self.outcome = outcome
    }

    func list(into fields: inout [RecordField]) {
        fields.add("stage", ActionStage.self, stage)
        fields.add("action", .unsigned(number))
        fields.add("person", person)
        fields.add("origin", origin)
        fields.add("command", command)
        fields.add("reason", reason)
        fields.add("outcome", outcome)
    }
}
