import MarketModel
import OperatorGraph
import Primitives
import StreamCore
import TapeCodec
import TapeProtocol

/// What a partition has to compute again before it takes the next packet.
struct RepairAgenda: Sendable {
    /// A range over more days is refused: nobody would wait for all of them to be read.
    static let daysMax: Int64 = 32
    static let dayNanoseconds: Int64 = 86_400_000_000_000
    /// Ranges that a checkpoint between two days can hold; with more days to come none is taken.
    static let pendingMax = 1_024
    /// A range that begins so far behind the time of its packet is refused: nothing of it can be on
    /// the tape, and reading would wait for it. Clocks may differ by less than this.
    static let aheadNanoseconds: Int64 = 60_000_000_000

    /// What is known of the first day's outcome.
    enum Precedent: Hashable, Sendable {
        /// Nothing behind it stands: it is judged here.
        case none
        /// An owner before did it: it has to be done, or the bars behind it would be others.
        case done
    }

    /// Of the packet that asked for it: what the repair makes is this packet's output.
    let position: TapePosition
    /// A new line is being built behind what stands: nothing of it is published.
    let isHidden: Bool
    /// The oldest day first; one is read at a time.
    private(set) var days: [[DirtyRange]] = []
    /// Ranges that are refused as they are: one entry for each reason.
    private(set) var refused: [RefusedRanges] = []
    /// Of the first day, while the tape is read for it.
    var reading: GraphRepair?
    var precedent: Precedent?
    /// A day was done or refused, so that there is something to keep.
    private(set) var hasEndedDay = false

    /// `limit`: ranges that begin there or later have not begun, and others end there at the
    /// latest.
    init(
        _ dirty: [DirtyRange], at position: TapePosition, isHidden: Bool, limit: Int64 = .max
    ) {
        self.position = position
        self.isHidden = isHidden
        var parts: [(day: Int64, place: Int, range: DirtyRange)] = []
        for range in dirty where range.from < range.to {
            guard range.from < limit else {
                refuse(range, .future)
                continue
            }
            // What is still to come of a range does not have to be read.
            let to = min(range.to, limit)
            let (first, last) = (Self.day(range.from), Self.day(to - 1))
            guard last - first < Self.daysMax else {
                refuse(range, .long)
                continue
            }
            for day in first...last {
                var part = range
                part.to = day < last ? (day + 1) * Self.dayNanoseconds : to
                if day > first { part.from = day * Self.dayNanoseconds }
                parts.append((day, parts.count, part))
            }
        }
        parts.sort { ($0.day, $0.place) < ($1.day, $1.place) }
        var last: Int64?
        for part in parts {
            if part.day != last { days.append([]) }
            last = part.day
            days[days.count - 1].append(part.range)
        }
    }

    private mutating func refuse(_ range: DirtyRange, _ reason: RepairRefusal) {
        if let place = refused.firstIndex(where: { $0.reason == reason }) {
            refused[place].add(range)
        } else {
            refused.append(RefusedRanges(reason, range))
        }
    }

    private static func day(_ time: Int64) -> Int64 {
        let whole = time / dayNanoseconds
        return time % dayNanoseconds < 0 ? whole - 1 : whole
    }

    /// How far behind the tape's time a range may begin. Both are on the tape.
    static func limit(sendTime: Timestamp, watermark: Timestamp) -> Int64 {
        max(sendTime, watermark).advanced(byNanoseconds: aheadNanoseconds).nanoseconds
    }

    var pending: [DirtyRange] { days.flatMap { $0 } }

    /// Between two days: what is to come can be kept with the state.
    var isBetweenDays: Bool {
        reading == nil && hasEndedDay && days.reduce(0) { $0 + $1.count } <= Self.pendingMax
    }

    mutating func endDay() {
        reading = nil
        precedent = nil
        hasEndedDay = true
        days.removeFirst()
    }

    /// The first day, refused for this reason; nil when there is none.
    func refusal(_ reason: RepairRefusal) -> RefusedRanges? {
        days.first.flatMap { RefusedRanges(reason, $0) }
    }
}
