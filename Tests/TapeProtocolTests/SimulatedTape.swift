import Primitives
import TapeProtocol

/// The disks of a simulated tape: each stream writes its packets one after the other, or several
/// at the same time.
struct SimulatedDisk {
    /// How long a stream is busy with a packet, on average, and for each tick in it.
    var packetNanoseconds: Int64 = 700_000
    var tickNanoseconds: Int64 = 300
    /// How much longer the answer takes, without keeping the stream busy: other copies.
    var copyNanoseconds: Int64 = 0
    /// Whether all streams share one disk that writes one packet at a time.
    var isShared = false
    /// Nothing is written in this part of each span; no stalls when the span is 0.
    var stallNanoseconds: Int64 = 0
    var stallEveryNanoseconds: Int64 = 0

    var isImmediate: Bool { packetNanoseconds == Self.immediate.packetNanoseconds }

    /// An answer comes before the next tick.
    static let immediate = SimulatedDisk(packetNanoseconds: 50_000)
    static let quick = SimulatedDisk()
    static let slow = SimulatedDisk(packetNanoseconds: 10_000_000)
    static let threeCopies = SimulatedDisk(
        packetNanoseconds: 500_000, copyNanoseconds: 5_000_000)
    static let stalling = SimulatedDisk(
        stallNanoseconds: 300_000_000, stallEveryNanoseconds: 2_000_000_000)
}

/// What a simulated gateway experienced.
struct PaceOutcome {
    /// From receipt to acknowledgement, of each tick, in nanoseconds.
    var latencies: [Int64] = []
    var packets = 0
    /// The number of turns, and of those in which packets left.
    var turns = 0
    var departures = 0
    /// From a tick's receipt to the departure of its packet, of each tick.
    var waits: [Int64] = []
    var largestPacket = 0
    /// The longest time from a packet to its answer, and whether ticks were ever refused.
    var longestAnswer: Int64 = 0

    func latency(_ share: Double) -> Int64 { quantile(latencies, share) }

    func wait(_ share: Double) -> Int64 { quantile(waits, share) }

    private func quantile(_ times: [Int64], _ share: Double) -> Int64 {
        let sorted = times.sorted()
        guard !sorted.isEmpty else { return 0 }
        return sorted[min(sorted.count - 1, Int(share * Double(sorted.count)))]
    }
}

/// Gateways that publish on one tape, with ticks at random times. It has the lanes and streams that
/// a tape has by default.
struct SimulatedTape {
    static let lanes = TapeNames.defaultPartitions
    static let streams = TapeNames.tickStreams
    private static let second: Int64 = 1_000_000_000

    private struct Packet {
        let gateway: Int
        let lane: Int
        let arrivals: [MonotonicTime]
        let sentAt: MonotonicTime
    }

    private struct Gateway {
        var pace: PacketPace?
        var waiting: [[MonotonicTime]] = Array(repeating: [], count: SimulatedTape.lanes)
        var busySince: [MonotonicTime?] = Array(repeating: nil, count: SimulatedTape.lanes)
        var nextTick: MonotonicTime
        var nextTurn: MonotonicTime
        /// Until when no answer wakes it.
        var pausesUntil = MonotonicTime.distantPast
        var outcome = PaceOutcome()
    }

    private let disk: SimulatedDisk
    private let ticksPerSecond: Int
    private var random: SeededRandom
    private var gateways: [Gateway] = []
    private var freeAt = Array(repeating: MonotonicTime.at(0), count: SimulatedTape.streams)
    /// The packets in flight, with the times of their answers.
    private var answers: [(at: MonotonicTime, packet: Packet)] = []
    private var chosen: [Int] = []

    /// Each gateway gets `ticksPerSecond`. Without settings it sends as soon as a lane is ready.
    init(
        _ settings: PacketPace.Settings?, disk: SimulatedDisk, gateways count: Int = 1,
        ticksPerSecond: Int, seed: UInt64
    ) {
        self.disk = disk
        self.ticksPerSecond = ticksPerSecond
        random = SeededRandom(seed: seed)
        for number in 0..<count {
            let streams = (0..<Self.streams).map { stream in
                (0..<Self.lanes).filter { $0 % Self.streams == stream }
            }
            gateways.append(
                Gateway(
                    pace: settings.map { PacketPace($0, streams: streams) },
                    nextTick: .at(0), nextTurn: .at(Int64(number) * 137_000)))
        }
    }

    /// Runs for this time. The ticks of the first second are not measured.
    mutating func run(seconds: Int64) -> [PaceOutcome] {
        let end = MonotonicTime.at(seconds * Self.second)
        while true {
            let answer = answers.indices.min { comesAt($0) < comesAt($1) }
            guard
                let gateway = gateways.indices.min(by: {
                    gateways[$0].nextTurn < gateways[$1].nextTurn
                })
            else { break }
            let turn = gateways[gateway].nextTurn
            if let answer, comesAt(answer) <= turn {
                let now = comesAt(answer)
                guard now < end else { break }
                // An answer wakes the gateway, which handles all that have come.
                let gateway = answers[answer].packet.gateway
                for (at, packet) in answers where packet.gateway == gateway && at <= now {
                    answered(packet, at, handled: now)
                }
                answers.removeAll { $0.packet.gateway == gateway && $0.at <= now }
                self.turn(gateway, now)
            } else {
                guard turn < end else { break }
                self.turn(gateway, turn)
            }
        }
        return gateways.map(\.outcome)
    }

    /// Returns when the gateway gets the answer.
    private func comesAt(_ answer: Int) -> MonotonicTime {
        max(answers[answer].at, gateways[answers[answer].packet.gateway].pausesUntil)
    }

    /// The answer comes now, and the gateway handles it a little later.
    private mutating func answered(
        _ packet: Packet, _ now: MonotonicTime, handled: MonotonicTime
    ) {
        gateways[packet.gateway].busySince[packet.lane] = nil
        gateways[packet.gateway].pace?.acknowledged(lane: packet.lane, now: handled)
        let time = now - packet.sentAt
        gateways[packet.gateway].outcome.longestAnswer = max(
            gateways[packet.gateway].outcome.longestAnswer, time)
        for arrival in packet.arrivals where arrival >= .at(Self.second) {
            gateways[packet.gateway].outcome.latencies.append(now - arrival)
        }
    }

    private mutating func turn(_ number: Int, _ now: MonotonicTime) {
        receive(number, now)
        var gateway = gateways[number]
        let (waiting, busySince) = (gateway.waiting, gateway.busySince)
        func state(_ lane: Int) -> PacketPace.LaneState {
            PacketPace.LaneState(
                hasTicks: !waiting[lane].isEmpty, isFull: waiting[lane].count >= 1_024,
                isReady: busySince[lane] == nil, busySince: busySince[lane])
        }
        if gateway.pace == nil {
            chosen = (0..<Self.lanes).filter { state($0).isReady && state($0).hasTicks }
        } else {
            gateway.pace?.choose(now: now, into: &chosen, state)
        }
        let pause = gateway.pace?.pauseNanoseconds(now: now) ?? 0
        gateway.pausesUntil = now + pause
        gateway.nextTurn = now + (pause > 0 ? pause : Self.wait(gateway.pace, now))
        gateway.outcome.turns += 1
        gateways[number] = gateway
        if !chosen.isEmpty { gateways[number].outcome.departures += 1 }
        for lane in chosen { send(number, lane, now) }
    }

    /// Returns how long a gateway waits. libnats waits for complete milliseconds.
    private static func wait(_ pace: PacketPace?, _ now: MonotonicTime) -> Int64 {
        let nanoseconds = pace?.waitNanoseconds(now: now) ?? 1_000_000
        return (nanoseconds + 999_999) / 1_000_000 * 1_000_000
    }

    /// Hands the ticks that have come to their lanes.
    private mutating func receive(_ number: Int, _ now: MonotonicTime) {
        while gateways[number].nextTick <= now {
            let lane = Int.random(in: 0..<Self.lanes, using: &random)
            gateways[number].waiting[lane].append(gateways[number].nextTick)
            let gap = 2 * Self.second / Int64(ticksPerSecond)
            gateways[number].nextTick += Int64.random(in: 0...gap, using: &random)
        }
    }

    private mutating func send(_ number: Int, _ lane: Int, _ now: MonotonicTime) {
        let arrivals = Array(gateways[number].waiting[lane].prefix(1_024))
        gateways[number].waiting[lane].removeFirst(arrivals.count)
        gateways[number].busySince[lane] = now
        gateways[number].outcome.packets += 1
        gateways[number].outcome.waits += arrivals.map { now - $0 }
        gateways[number].outcome.largestPacket = max(
            gateways[number].outcome.largestPacket, arrivals.count)
        let stream = disk.isShared ? 0 : lane % Self.streams
        let share = Int64.random(in: 70...130, using: &random)
        let busy =
            disk.packetNanoseconds * share / 100
            + disk.tickNanoseconds * Int64(arrivals.count)
        var done = afterStall(max(now, freeAt[stream])) + busy
        freeAt[stream] = done
        done += disk.copyNanoseconds
        answers.append(
            (
                done,
                Packet(gateway: number, lane: lane, arrivals: arrivals, sentAt: now)
            ))
    }

    /// Returns when the disk writes again, which is now unless it stalls.
    private func afterStall(_ time: MonotonicTime) -> MonotonicTime {
        guard disk.stallEveryNanoseconds > 0 else { return time }
        let place = time.nanoseconds % disk.stallEveryNanoseconds
        return place < disk.stallNanoseconds ? time + (disk.stallNanoseconds - place) : time
    }
}
