import MarketModel
import Primitives
import ServiceRuntime
import TapeProtocol

/// The state of a repair when the command ends.
struct RepairOutcome: Equatable, Sendable {
    enum State: String, Sendable {
        case notRequested = "not_requested"
        case requested
        case waiting
        /// The new versions are on the tape, and the writer has not stored them in time.
        case notStored = "not_stored"
        case repaired
        case unchanged = "nothing_changed"
        case refused
        /// Only some days of the request were refused.
        case refusedInPart = "refused_in_part"
    }

    /// How far the request has come when the wait ends.
    enum Reach: Sendable {
        /// It is not worked on.
        case waiting
        /// All its output is on the tape. No database is named.
        case published
        /// All its output is on the tape, and not in the database.
        case unstored
        /// All its output is in the database.
        case stored
    }

    let state: State
    /// Whether it is known that the output is in the database.
    var isStored = false
    /// The request's sequence on the tape of ticks.
    var sequence: UInt64?
    var bars = 0
    var refusals: [RefusedRepair] = []

    init(state: State, sequence: UInt64? = nil) {
        self.state = state
        self.sequence = sequence
    }

    init(of sequence: UInt64, _ reach: Reach, bars: Int, refusals: [RefusedRepair]) {
        self.sequence = sequence
        self.bars = bars
        self.refusals = refusals
        isStored = reach == .stored
        state =
            if reach == .waiting {
                .waiting
            } else if reach == .unstored {
                .notStored
            } else if refusals.isEmpty {
                bars > 0 ? .repaired : .unchanged
            } else {
                bars > 0 ? .refusedInPart : .refused
            }
    }

    var exitCode: ExitCode {
        switch state {
        case .notRequested, .requested, .repaired, .unchanged: .success
        case .refused: .failure
        case .refusedInPart: .incomplete
        case .waiting, .notStored: .temporary
        }
    }

    var lines: [String] {
        let made = "\(bars) new versions of bars are \(isStored ? "stored" : "on the tape")"
        let told = refusals.map {
            "refused: \($0.from) to \($0.to): \($0.reason.sentence) (\($0.reason.name))"
        }
        switch state {
        case .notRequested: return []
        case .requested: return ["the request is on the tape"]
        case .repaired: return [made]
        case .unchanged:
            return ["the request was worked on and changed nothing: no bar of that time is there"]
        case .refused: return told + ["no bar was changed: the older versions stand"]
        case .refusedInPart: return told + [made]
        case .notStored:
            return told + [
                "\(made), and not stored yet: is the store-writer running? ('tapeline members')"
            ]
        case .waiting:
            return told + [
                "the request is on the tape and not worked on yet: is its operator-worker running? "
                    + "('tapeline members')"
            ]
        }
    }

    func json(_ command: RepairCommand, _ partition: Partition) -> String {
        JSONWriter.made { json in
            json.member("symbol", command.symbol.text)
            if let source = command.source { json.member("source", source.text) }
            json.member("partition", partition.number)
            json.member("from", "\(command.from)")
            json.member("from_ns", command.from.nanoseconds)
            json.member("to", "\(command.to)")
            json.member("to_ns", command.to.nanoseconds)
            json.member("reason", "\(command.reason)")
            json.member("state", state.rawValue)
            if let sequence { json.member("sequence", sequence) }
            json.member("bars", bars)
            json.array("refused") { json in writeRefusals(into: &json) }
        }.text
    }

    func writeRefusals(into json: inout JSONWriter) {
        for refusal in refusals { Self.write(refusal, into: &json) }
    }

    private static func write(_ refusal: RefusedRepair, into json: inout JSONWriter) {
        json.object { json in
            json.member("reason", refusal.reason.name)
            json.member("sentence", refusal.reason.sentence)
            json.member("from", "\(refusal.from)")
            json.member("from_ns", refusal.from.nanoseconds)
            json.member("to", "\(refusal.to)")
            json.member("to_ns", refusal.to.nanoseconds)
        }
    }
}

extension RepairRefusal {
    fileprivate var sentence: String {
        switch self {
        case .retention: "the tape of ticks does not reach back so far"
        case .missing: "ticks of that time are missing on the tape"
        case .unreadable: "the tape of ticks cannot be read there, or changed meanwhile"
        case .bars: "the bars that stand there cannot be read back"
        case .long: "that are too many days at once: ask for parts"
        case .future: "that time has not begun"
        case .fetched: "too many of its ticks were fetched later for the graph's join: ask for less"
        case .other: "the operator's log says why (operator.repair.refused)"
        }
    }
}
