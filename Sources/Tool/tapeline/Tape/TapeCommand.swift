/// `tapeline tape`: the state of the tape. `tapeline tape verify`: the servers' own copies of it.
struct TapeCommand: Equatable, Sendable {
    /// What `verify` reads.
    struct Verification: Equatable, Sendable {
        static let mebibytesUsual = 20
        static let mebibytesMax = 10_000

        /// `nil`: each server that holds a copy.
        var server: String?
        /// Of all copies together, a second.
        var mebibytes = mebibytesUsual
        /// Only what was not verified on that server before.
        var onlyNew = false
    }

    /// The options of `verify` alone.
    private static let verifyOptions: Set = ["--node", "--rate"]
    private static let verifyFlag = "--new"

    var target = TapeTarget()
    var asJSON = false
    /// False to look once, without rates.
    var withRate = true
    var verification: Verification?

    static func parse(_ arguments: [String]) throws(ToolError) -> TapeCommand {
        guard arguments.first != "verify" else { return try verify(Array(arguments.dropFirst())) }
        let arguments = try CommandArguments(
            "tape", arguments,
            .init(
                values: TapeTarget.options.union(verifyOptions),
                flags: ["--json", "--no-rate", verifyFlag]))
        try arguments.requireWords(0, "options only, or verify")
        for option in verifyOptions.sorted() + [verifyFlag]
        where arguments.has(option) || !arguments.all(option).isEmpty {
            throw .usage("'\(option)' is for 'tapeline tape verify'")
        }
        return TapeCommand(
            target: try TapeTarget(arguments), asJSON: arguments.has("--json"),
            withRate: !arguments.has("--no-rate"))
    }

    private static func verify(_ arguments: [String]) throws(ToolError) -> TapeCommand {
        let arguments = try CommandArguments(
            "tape verify", arguments,
            .init(
                values: TapeTarget.options.union(verifyOptions), flags: ["--json", verifyFlag]))
        try arguments.requireWords(0, "options only")
        var verification = Verification(
            server: try arguments.one("--node"), onlyNew: arguments.has(verifyFlag))
        if let rate = try arguments.integer("--rate", in: 1...Verification.mebibytesMax) {
            verification.mebibytes = rate
        }
        return TapeCommand(
            target: try TapeTarget(arguments), asJSON: arguments.has("--json"),
            verification: verification)
    }
}
