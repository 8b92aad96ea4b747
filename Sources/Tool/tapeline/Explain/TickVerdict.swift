import MarketModel

/// What a tick of a bar's window did to the bar, by the operators' own machine.
enum TickVerdict: Equatable, Sendable {
    /// It set a price, and counts in `trades`.
    case counts
    /// It added to the volume alone.
    case volumeOnly(Rule)
    case out(Reason)

    /// A rule of the node that makes the bars.
    enum Rule: String, Sendable {
        case oddLot = "odd_lot"
        case condition
    }

    /// Why a tick is not in the bar.
    enum Reason: Equatable, Sendable {
        case rule(Rule)
        /// One of these nodes kept it back.
        case filtered([String])
        case snapshot
        /// It is a cancel or a correction of another trade, which names no price of its own.
        case cancelRecord
        case correctionRecord
        /// The trade was cancelled.
        case cancelled
        case undefined
        /// It was fetched from history, and nothing has made this bar again since.
        case backfilled
        /// A person put it on the tape, and nothing has made this bar again since.
        case byHand
        /// It came after the lateness of this series.
        case late(SeriesName)
        case duplicate(SeriesName)
        case otherSource(SourceName)
        /// Another member of the group fed the symbol at that time.
        case notFed
        case outsideSession
        /// It is in another bar of the series, which the machine ended or began there.
        case otherBar
        case noRoom
    }

    var isIn: Bool {
        if case .out = self { false } else { true }
    }

    /// The name for programs.
    var name: String {
        switch self {
        case .counts: "counts"
        case .volumeOnly(let rule): "volume_only_\(rule.rawValue)"
        case .out(let reason): reason.name
        }
    }

    /// The sentence for people.
    var sentence: String {
        switch self {
        case .counts: "counts"
        case .volumeOnly(.oddLot): "counts for the volume alone: an odd lot"
        case .volumeOnly(.condition): "counts for the volume alone: its sale condition"
        case .out(let reason): "out: \(reason.sentence)"
        }
    }
}

extension TickVerdict.Reason {
    var name: String {
        switch self {
        case .rule(let rule): rule.rawValue
        case .filtered: "filter"
        case .snapshot: "snapshot"
        case .cancelRecord: "cancel_record"
        case .correctionRecord: "correction_record"
        case .cancelled: "cancelled"
        case .undefined: "undefined"
        case .backfilled: "backfilled"
        case .byHand: "by_hand"
        case .late: "late"
        case .duplicate: "duplicate"
        case .otherSource: "other_source"
        case .notFed: "other_member"
        case .outsideSession: "outside_session"
        case .otherBar: "other_bar"
        case .noRoom: "no_room"
        }
    }

    fileprivate var sentence: String {
        switch self {
        case .rule(.oddLot): "an odd lot"
        case .rule(.condition): "its sale condition"
        case .filtered(let nodes):
            nodes.isEmpty
                ? "a node before the series kept it back"
                : "kept back before the series by \(nodes.joined(separator: " or "))"
        case .snapshot: "the state at the start of a subscription, no new trade"
        case .cancelRecord: "it cancels another trade"
        case .correctionRecord: "it corrects another trade"
        case .cancelled: "cancelled"
        case .undefined: "without a price, a size or a usable time"
        case .backfilled: "fetched later from history; a repair counts it"
        case .byHand: "put on the tape by a person; a repair counts it"
        case .late(let name): "it came after the lateness of \(name) and is listed in late_ticks"
        case .duplicate(let node): "a duplicate, by the node \(node)"
        case .otherSource(let source): "of another source, \(source)"
        case .notFed: "another member of the group fed the symbol then"
        case .outsideSession: "outside of every trading session"
        case .otherBar: "in another bar of the series"
        case .noRoom: "the machine has no room for more open windows"
        }
    }
}
