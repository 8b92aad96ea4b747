package import Primitives
package import TapeCodec

/// Decides when the ticks that a source collects in its lanes leave as packets. A packet costs a
/// durable write, whatever it holds, so there is a choice between early packets and few packets.
/// The aim (`GATEWAY_LATENCY`) is a time from a tick's receipt to its acknowledgement:
///
/// - *quick*: a tick leaves in the next turn while packets are rare, and with those of other lanes
///   when they are frequent (`PacketBeat`). With more ticks each lane has a packet a cycle, however
///   late the answers come: with more packets they would come later still. The cycles of all lanes
///   end together. What a stream did not use in one cycle it may use in the next.
/// - *collecting*: the source's first tick waits as long as the aim permits, and others join it.
///   Then the lanes that have ticks leave together, because packets that leave in the same moment
///   share the wake-ups of the server and of all readers.
///
/// `StreamWindow` limits the packets in flight, so that a slow disk has larger packets instead of a
/// queue, and `packetsPerSecond` those of the source. A packet that takes no more ticks gains
/// nothing by waiting, so only that last limit holds it. *Collecting* needs the first limit only
/// when answers take longer than a quarter of the aim.
///
/// Pure: times are parameters. `Outflow` calls it once per turn and per acknowledgement. A lane is
/// named by its number, from 0.
package struct PacketPace: Sendable {
    package enum Aim: Hashable, Sendable {
        case quick
        /// The longest time from receipt to acknowledgement, in nanoseconds.
        case collect(Int64)

        /// Few packets.
        package static let frugal = Aim.collect(100_000_000)
    }

    package struct Settings: Hashable, Sendable {
        package var aim: Aim
        /// The most packets per second of the source.
        package var packetsPerSecond: Int
        /// How far a packet grows while it waits.
        package var growth: PacketGrowth

        package init(
            aim: Aim = .quick, packetsPerSecond: Int = 2_000, growth: PacketGrowth = .usual
        ) {
            self.aim = aim
            self.packetsPerSecond = packetsPerSecond
            self.growth = growth
        }
    }

    /// What the owner knows of a lane.
    package struct LaneState: Sendable {
        /// Whether ticks wait for the lane's next packet.
        package var hasTicks: Bool
        /// Whether that packet takes no more ticks; of closed packets, the first is the next one.
        package var isFull: Bool
        /// Whether a packet may be published.
        package var isReady: Bool
        /// Since when no packet may be published; `nil` when one may.
        package var busySince: MonotonicTime?

        package init(hasTicks: Bool, isFull: Bool, isReady: Bool, busySince: MonotonicTime?) {
            self.hasTicks = hasTicks
            self.isFull = isFull
            self.isReady = isReady
            self.busySince = busySince
        }
    }

    /// The shortest cycle of the aim `quick`, and what a cycle has for each lane of a stream: more
    /// packets cost all readers more than their ticks gain.
    private static let cycleNanosecondsMin: Int64 = 7_000_000
    private static let laneNanoseconds: Int64 = 2_500_000
    /// A lane that has been busy for longer does not count as in flight: its packet may be in
    /// trouble that the others do not have.
    private static let countedNanosecondsMax: Int64 = 500_000_000
    /// The longest pause. It bounds how much later than they come answers are measured.
    package static let pauseNanosecondsMax: Int64 = 2_000_000
    /// The limits of a turn.
    private static let turnNanosecondsMin: Int64 = 1_000_000
    private static let turnNanosecondsMax: Int64 = 5_000_000

    private struct Lane {
        let stream: Int
        /// Since when ticks wait for the next packet; `nil` while none do. Closed packets, which
        /// leave before it, have their times in `closedSince`.
        var waitingSince: MonotonicTime?
        var closedSince: [MonotonicTime] = []
        /// Since when ticks that are due have to wait, for the packets in flight or the cycles;
        /// `nil` when none do. They do not wait for others any more.
        var delayedSince: MonotonicTime?
        /// When the packet in flight was sent; `nil` after its answer. Then when its first tick
        /// came, and when it was due.
        var sentAt: MonotonicTime?
        var cameAt = MonotonicTime.distantPast
        var dueAt = MonotonicTime.distantPast
    }

    /// The time in which each lane has a packet, however many ticks come.
    private struct Cycle {
        let nanoseconds: Int64
        /// When the first one began: in the first turn.
        var first: MonotonicTime?

        /// Returns when the present one began.
        func began(_ now: MonotonicTime) -> MonotonicTime {
            now - (now - (first ?? now)) % nanoseconds
        }
    }

    private struct Stream {
        let lanes: [Int]
        /// The index in `lanes` of the lane that is considered first.
        var first = 0
        var window: StreamWindow
        var response = ResponseTime()
        /// How long a first tick may wait for others; 0 with the aim `quick`.
        var hold: Int64 = 0
        /// The packets of the cycles. Only the aim `quick` is bound to them.
        var budget: PacketBudget
    }

    private let aim: Aim
    /// How long the owner may wait between two turns for something to happen, if ticks may leave.
    package let turnNanoseconds: Int64
    /// Which packets leave together with the aim `quick`.
    private var beat = PacketBeat()
    private var cycle: Cycle
    /// Until when no packet leaves, unless an answer comes.
    private var quietUntil = MonotonicTime.distantPast
    /// Whether a packet waits for those in flight, and whether one left in this turn that was not
    /// held up.
    private var awaitsAnswer = false
    private var isBeat = false
    /// In a turn with another aim than `quick`: when the ticks that wait have waited long enough.
    private var collectedAt = MonotonicTime.never
    /// Whether then all of them leave, because answers take less than a quarter of the aim.
    private var leavesTogether = false
    /// The state of the lanes in this turn.
    private var states: [LaneState]
    private var lanes: [Lane]
    private var streams: [Stream]
    /// The index of the stream that is considered first, and how many of its packets have left
    /// since it is.
    private var firstStream = 0
    private var leftOfFirst = 0
    /// The source's packets per second.
    private var budget: PacketBudget

    /// `streams` holds the lanes of each stream; together they are the numbers from 0 on.
    package init(_ settings: Settings, streams laneNumbers: [[Int]]) {
        aim = settings.aim
        switch settings.aim {
        case .quick: turnNanoseconds = Self.turnNanosecondsMin
        case .collect(let nanoseconds):
            turnNanoseconds = max(
                Self.turnNanosecondsMin, min(Self.turnNanosecondsMax, nanoseconds / 20))
        }
        budget = PacketBudget(packetsPerSecond: settings.packetsPerSecond)
        lanes = Array(repeating: Lane(stream: 0), count: laneNumbers.joined().count)
        states = Array(
            repeating: LaneState(hasTicks: false, isFull: false, isReady: false, busySince: nil),
            count: lanes.count)
        let largest = Int64(laneNumbers.map(\.count).max() ?? 0)
        cycle = Cycle(
            nanoseconds: max(Self.cycleNanosecondsMin, largest * Self.laneNanoseconds))
        streams = []
        for numbers in laneNumbers where !numbers.isEmpty {
            for lane in numbers { lanes[lane] = Lane(stream: streams.count) }
            streams.append(
                Stream(
                    lanes: numbers, window: StreamWindow(lanes: numbers.count),
                    budget: PacketBudget(
                        nanosecondsPerPacket: cycle.nanoseconds / Int64(numbers.count),
                        burst: 2 * Int64(numbers.count))))
            setHold(streams.count - 1)
        }
    }

    // MARK: packets

    /// Puts the lanes whose packets leave now into `chosen`: the owner publishes them all. With
    /// `isUrgent` the aim lets nothing wait, because the source ends.
    package mutating func choose(
        now: MonotonicTime, isUrgent: Bool = false, into chosen: inout [Int],
        _ state: (_ lane: Int) -> LaneState
    ) {
        chosen.removeAll(keepingCapacity: true)
        cycle.first = cycle.first ?? now
        (quietUntil, awaitsAnswer, isBeat) = (.never, false, false)
        beginCollection()
        defer { endTurn(chosen.count, now) }
        let first = firstStream
        for offset in streams.indices {
            let stream = (first + offset) % streams.count
            let before = chosen.count
            let isSpent = !choose(stream, now, isUrgent, into: &chosen, state)
            if stream == firstStream { leftOfFirst += chosen.count - before }
            guard isSpent else { continue }
            quietUntil = .distantPast
            return beginNextTurn(at: stream, leaving: chosen.count - before)
        }
    }

    /// Notes when the oldest tick that waits for others has waited as long as the aim permits.
    /// Ticks that are only held up let no others leave early.
    private mutating func beginCollection() {
        guard case .collect(let aim) = aim else { return }
        var hold = aim
        leavesTogether = true
        for stream in streams.indices {
            let answer = streams[stream].response.bound
            if answer == 0 || answer > aim / 4 { leavesTogether = false }
            hold = min(hold, streams[stream].hold)
        }
        for lane in lanes.indices where lanes[lane].delayedSince == nil {
            if let since = lanes[lane].waitingSince { collectedAt = min(collectedAt, since + hold) }
        }
    }

    /// Notes how many packets the turn had, and until when no tick that comes now leaves.
    private mutating func endTurn(_ count: Int, _ now: MonotonicTime) {
        collectedAt = .never
        guard case .quick = aim else { return quietUntil = .distantPast }
        beat.left(count, isBeat: isBeat, now: now)
        let began = cycle.began(now)
        for stream in streams.indices {
            let hasPacket = streams[stream].budget.hasPacket(now: began)
            let next = hasPacket ? now : began + cycle.nanoseconds
            quietUntil = min(quietUntil, max(beat.nextAt, next))
        }
    }

    /// Returns how long the owner may wait for an answer after its turn: as long as no tick may
    /// leave, but at least `turnNanoseconds`.
    package func waitNanoseconds(now: MonotonicTime) -> Int64 {
        max(turnNanoseconds, quietUntil - now)
    }

    /// Returns for how long neither ticks nor answers let a packet leave, so that the owner need
    /// not handle them; 0 when they do.
    package func pauseNanoseconds(now: MonotonicTime) -> Int64 {
        awaitsAnswer ? 0 : min(Self.pauseNanosecondsMax, max(0, quietUntil - now))
    }

    /// Notes the stream with which the next turn begins, because the packets per second are spent.
    /// A stream stays first until each of its lanes could have left, so that all lanes of the
    /// source get equal shares.
    private mutating func beginNextTurn(at stream: Int, leaving count: Int) {
        if stream != firstStream { (firstStream, leftOfFirst) = (stream, count) }
        guard leftOfFirst >= streams[stream].lanes.count else { return }
        (firstStream, leftOfFirst) = ((stream + 1) % streams.count, 0)
    }

    /// Chooses lanes of one stream. Returns false when the source's packets per second are spent.
    /// The first lane that has to wait for others is the first one in the next turn.
    private mutating func choose(
        _ stream: Int, _ now: MonotonicTime, _ isUrgent: Bool, into chosen: inout [Int],
        _ state: (_ lane: Int) -> LaneState
    ) -> Bool {
        let numbers = streams[stream].lanes
        var inFlight = noteState(numbers, now, state)
        let first = streams[stream].first
        var firstDelayed: Int?
        for offset in numbers.indices {
            let place = (first + offset) % numbers.count
            let lane = numbers[place]
            guard states[lane].hasTicks else { continue }
            guard states[lane].isReady else {
                if now >= collectedAt { delay(lane, now) }
                continue
            }
            let isForced = isUrgent || states[lane].isFull
            if !isForced {
                let dueAt = dueAt(lane, now)
                guard now >= dueAt else {
                    quietUntil = min(quietUntil, dueAt)
                    continue
                }
                guard hasTurn(stream, inFlight: inFlight, now) else {
                    firstDelayed = firstDelayed ?? place
                    delay(lane, now)
                    continue
                }
            }
            guard budget.take(now: now) else {
                streams[stream].first = firstDelayed ?? place
                return false
            }
            if !isForced { _ = streams[stream].budget.take(now: cycle.began(now)) }
            isBeat = isBeat || !isForced && lanes[lane].delayedSince == nil
            leaves(lane, now)
            chosen.append(lane)
            inFlight += 1
        }
        streams[stream].first = firstDelayed ?? first
        return true
    }

    /// Lets the packet of a ready lane leave in the middle of a turn, because it has no room for a
    /// record. Returns false when the source's packets per second are spent.
    package mutating func chooseNow(lane: Int, now: MonotonicTime) -> Bool {
        guard budget.take(now: now) else { return false }
        leaves(lane, now)
        return true
    }

    /// Notes the state of the lanes and since when ticks wait, and returns how many lanes are in
    /// flight.
    private mutating func noteState(
        _ numbers: [Int], _ now: MonotonicTime, _ state: (_ lane: Int) -> LaneState
    ) -> Int {
        var inFlight = 0
        for lane in numbers {
            let present = state(lane)
            states[lane] = present
            if !present.hasTicks {
                lanes[lane].waitingSince = nil
            } else if lanes[lane].waitingSince == nil {
                lanes[lane].waitingSince = now
            }
            if let since = present.busySince, now - since < Self.countedNanosecondsMax {
                inFlight += 1
            }
        }
        return inFlight
    }

    /// Returns when the lane's first tick has waited as long as the aim lets it.
    private func dueAt(_ lane: Int, _ now: MonotonicTime) -> MonotonicTime {
        let since = lanes[lane].waitingSince ?? now
        if let since = lanes[lane].delayedSince { return since }
        switch aim {
        case .quick: return beat.dueAt(since: since)
        case .collect: return collectedAt
        }
    }

    private mutating func delay(_ lane: Int, _ now: MonotonicTime) {
        if lanes[lane].delayedSince == nil { lanes[lane].delayedSince = min(now, collectedAt) }
    }

    /// Returns whether the stream takes one more packet that could still grow.
    private mutating func hasTurn(_ stream: Int, inFlight: Int, _ now: MonotonicTime) -> Bool {
        guard !leavesTogether else { return true }
        guard inFlight < streams[stream].window.size else {
            streams[stream].window.delayed()
            awaitsAnswer = awaitsAnswer || mayLeave(stream, now)
            return false
        }
        return mayLeave(stream, now)
    }

    /// Returns whether the cycles permit the stream one more packet now.
    private mutating func mayLeave(_ stream: Int, _ now: MonotonicTime) -> Bool {
        guard case .quick = aim else { return true }
        let began = cycle.began(now)
        if streams[stream].budget.hasPacket(now: began) { return true }
        quietUntil = min(quietUntil, began + cycle.nanoseconds)
        return false
    }

    /// Notes that the lane's packet was closed, because it was full: later ticks are for another
    /// one.
    package mutating func closed(lane: Int, now: MonotonicTime) {
        lanes[lane].closedSince.append(lanes[lane].waitingSince ?? now)
        lanes[lane].waitingSince = nil
    }

    private mutating func leaves(_ lane: Int, _ now: MonotonicTime) {
        lanes[lane].dueAt = min(now, dueAt(lane, now))
        lanes[lane].sentAt = now
        lanes[lane].delayedSince = nil
        if lanes[lane].closedSince.isEmpty {
            lanes[lane].cameAt = lanes[lane].waitingSince ?? now
            lanes[lane].waitingSince = nil
        } else {
            lanes[lane].cameAt = lanes[lane].closedSince.removeFirst()
        }
    }

    // MARK: answers

    /// Notes the acknowledgement of the lane's packet. Returns how many nanoseconds ago its first
    /// tick came; `nil`, and nothing is noted, for a packet that left otherwise.
    @discardableResult
    package mutating func acknowledged(lane: Int, now: MonotonicTime) -> Int64? {
        guard lanes.indices.contains(lane), let sentAt = lanes[lane].sentAt else { return nil }
        lanes[lane].sentAt = nil
        let stream = lanes[lane].stream
        streams[stream].window.answered(after: now - sentAt, now: now)
        streams[stream].response.note(now - lanes[lane].dueAt)
        setHold(stream)
        return now - lanes[lane].cameAt
    }

    /// Computes how long ticks wait so that the acknowledgement comes within the aim. They wait for
    /// half of the aim in any case: on a disk for which the aim is too short, more packets would
    /// only make the answers later.
    private mutating func setHold(_ stream: Int) {
        guard case .collect(let aim) = aim else { return }
        streams[stream].hold = max(
            aim - streams[stream].response.bound - turnNanoseconds, aim / 2)
    }
}

/// An estimate of how long an answer takes, and a bound that few answers exceed: the mean and four
/// mean deviations, both moving.
private struct ResponseTime {
    /// A longer time counts as this one, so that one answer after an outage does not matter for
    /// long.
    private static let nanosecondsMax: Int64 = 1_000_000_000

    private var mean: Int64 = 0
    private var deviation: Int64 = 0

    var bound: Int64 { mean + 4 * deviation }

    mutating func note(_ nanoseconds: Int64) {
        let nanoseconds = min(max(0, nanoseconds), Self.nanosecondsMax)
        deviation += (abs(nanoseconds - mean) - deviation) / 4
        mean += (nanoseconds - mean) / 8
    }
}
