/// How a step of a tick's way is. Only `flows` is shown as alive.
package enum StepState: String, CaseIterable, Sendable {
    /// Something new came a moment ago.
    case flows
    /// Both ends answer, and nothing new comes: a closed market, for example.
    case quiet
    /// Its market is closed by its calendar, whatever comes.
    case closed
    /// It flows, and does not keep up.
    case behind
    /// An end of it is dead, or does not answer.
    case dead
    /// It was not measured, or too long ago.
    case unknown

    /// The sign that says it without a colour.
    package var sign: String {
        switch self {
        case .flows: "●"
        case .quiet: "◌"
        case .closed: "◇"
        case .behind: "▲"
        case .dead: "✕"
        case .unknown: "?"
        }
    }
}

/// The state of a step, and its words. Pure.
package struct StepLook: Equatable, Sendable {
    package var state: StepState
    package var words: String

    /// After so long without anything new a step is quiet.
    package static let quietSeconds = 5.0
    /// Bars come more rarely.
    package static let barsQuietSeconds = 90.0
    /// A reader whose oldest unread record is older is behind.
    package static let behindSeconds = 5.0

    package init(_ state: StepState, _ words: String) {
        self.state = state
        self.words = words
    }

    package static func absent(_ who: String, so lost: String = "") -> StepLook {
        StepLook(.dead, "no \(who) answers" + (lost.isEmpty ? "" : ", so no \(lost)"))
    }

    /// A step of which something is new from time to time. `age` is that of the newest; `nil`: none
    /// came since `listener` listens.
    package static func flow(
        of what: String, age: Double?, quietAfter: Double = quietSeconds, since listener: String
    ) -> StepLook {
        guard let age else { return StepLook(.quiet, "no \(what) since the \(listener) listens") }
        guard age > quietAfter else { return StepLook(.flows, "it flows") }
        return StepLook(.quiet, "no \(what) for \(SpanText.of(age))")
    }

    /// A reader with so many unread records, the oldest of this age, `nil` where that is not known.
    /// No answer says how far `unheard` partitions are read. `isFed`: something comes.
    package static func reader(
        records: UInt64?, seconds: Double?, unheard: Int, isFed: Bool
    ) -> StepLook {
        guard let records else { return StepLook(.unknown, "nobody says how far it has read") }
        guard unheard == 0 else {
            return StepLook(.unknown, "\(unheard) partitions say nothing")
        }
        if records > 0, seconds.map({ $0 > behindSeconds }) ?? true {
            return StepLook(.behind, "\(CountText.of(records)) records behind")
        }
        // A reader that has read all is as quiet as what it reads.
        return isFed
            ? StepLook(.flows, "it keeps up") : StepLook(.quiet, "it has read all there is")
    }
}

/// The numbers below the verdict.
package enum FigureName {
    package static let ticks = "Ticks per second"
    package static let bars = "Bars per second"
    package static let operators = "Operators behind"
    package static let writers = "Writers behind"
    package static let commit = "Newest commit"
    package static let room = "Room on the tape"
    package static let gaps = "Gaps open"
    package static let ready = "Processes ready"
}
