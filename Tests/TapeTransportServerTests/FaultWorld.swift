import MarketModel
import NatsTransport
import Primitives
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

/// A publisher and readers that reach their server through a proxy; two readers share a consumer.
/// It remembers what was acknowledged to the publisher and taken by the readers, also after they
/// ended.
final class FaultWorld {
    /// A packet of a lane on the tape, with the ids of its trades.
    private struct StoredPacket {
        let header: PacketHeader
        let sequence: UInt64
        let ids: [UInt64]
    }

    let tape: TapeServer
    let proxy: NatsProxy
    private(set) var rig: TapeRig
    /// A direct connection to the server.
    private let inspector: TapeRig
    private var acknowledged: [[TapePublisher.Acknowledged]]
    /// Packets that were destroyed after all readers had read them.
    private var destroyed: Set<PacketIdentity> = []
    private var destructions = 0
    private var oldLogs: [CapturedLog] = []
    private var random: SeededRandom

    init(
        lanes: Int = 4, seed: UInt64, bytesMax: Int64 = 256 * 1_048_576,
        _ options: NatsServer.Options = NatsServer.Options()
    ) throws {
        tape = try TapeServer(partitions: 8, bytesMax: bytesMax, options)
        proxy = try NatsProxy(to: tape.server.port)
        inspector = try tape.rig(source: "inspector")
        random = SeededRandom(seed: seed &+ 1)
        acknowledged = Array(repeating: [], count: lanes)
        rig = try tape.rig(through: proxy)
        try addLanes(to: rig)
        for lane in 0..<lanes { rig.readers.open(lane, at: nil) }
    }

    private var lanes: Range<Int> { acknowledged.indices }

    /// Two lanes have the same stream, so that their readers share a consumer.
    private func partition(_ lane: Int) -> Partition {
        Partition(lane % 2 * TapeNames.tickStreams + lane / 2)
    }

    private func addLanes(to rig: TapeRig) throws {
        for lane in lanes {
            try rig.addLane(partition(lane).number)
            rig.addReader(partition(lane).number, sharesConsumer: true)
        }
        rig.onAcknowledge = { [unowned self] in acknowledged[$0.lane].append($0) }
        rig.publisher.open()
    }

    // MARK: running

    /// Offers ticks, and does turns of the thread.
    func work(turns: Int) {
        for _ in 0..<turns {
            for lane in lanes where rig.publisher.waitingTicks(lane: lane) < 200 {
                rig.offer(lane, ticks: Int.random(in: 0...3, using: &random))
            }
            rig.turn()
        }
    }

    /// Works for this long, limited by `waitMax`.
    func work(milliseconds: Int) {
        let end = ContinuousClock.now + .milliseconds(min(milliseconds, FaultSchedule.waitMax))
        while ContinuousClock.now < end { work(turns: 1) }
    }

    /// Works until the condition is true. The deadline only bounds a failing test.
    func work(until condition: () -> Bool) -> Bool {
        let deadline = ContinuousClock.now + .seconds(60)
        while !condition() {
            guard ContinuousClock.now < deadline else { return false }
            work(turns: 1)
        }
        return true
    }

    /// Works, and lets the faults strike after their turns.
    func run(_ schedule: FaultSchedule) throws {
        for step in schedule.steps {
            work(turns: step.turns)
            try strike(step.fault)
        }
        work(turns: 20)
    }

    func strike(_ fault: FaultSchedule.Fault) throws {
        switch fault {
        case .cut: proxy.cut()
        case .cutUnread(let time):
            proxy.freeze(.toClient)
            work(milliseconds: time)
            proxy.cut()
            proxy.thaw()
        case .restart:
            tape.server.stop()
            work(turns: 5)
            try tape.server.start()
        case .kill(let time):
            tape.server.kill()
            work(milliseconds: time)
            try tape.server.start()
        case .pause(let time):
            tape.server.pause()
            work(milliseconds: time)
            tape.server.resume()
        case .deleteConsumers: try deleteConsumers()
        case .destroy(let lane, let all): try destroy(lane, all: all)
        case .lose(let count, let traffic): proxy.lose(count, traffic)
        case .hold(let count, let traffic, let time):
            proxy.hold(count, traffic)
            work(milliseconds: time)
            proxy.release()
        case .refuse(let count, let refusal, let stored):
            proxy.refuse(count, refusal, stored: stored)
        case .recreate: try recreate()
        }
    }

    private func deleteConsumers() throws {
        for lane in lanes {
            let stream = tape.names.tickStream(of: partition(lane))
            let names = try ask("CONSUMER.NAMES.\(stream)")["consumers"]?.array ?? []
            for name in names.compactMap(\.string) {
                // The reader may already have given up the consumer, which is then removed.
                _ = try inspector.client.connection.request(
                    [], to: "$JS.API.CONSUMER.DELETE.\(stream).\(name)", timeout: patience)
            }
        }
    }

    /// The inspector's link may still be reconnecting after a restart of the server.
    @discardableResult
    private func ask(_ path: String, _ body: String = "") throws -> JSONValue {
        #expect(eventually { inspector.client.connection.isConnected })
        return try inspector.api(path, body)
    }

    /// Destroys only what is acknowledged and read by all readers, so nothing is lost. No reader
    /// may doubt its position before it has taken the next packet, because it could not prove the
    /// position.
    private func destroy(_ lane: Int, all: Bool) throws {
        proxy.calm()
        try settle("before a destruction")
        let stored = try stored(lane)
        guard let last = stored.last else { return }
        let (subject, stream) = (subject(lane), tape.names.tickStream(of: partition(lane)))
        if all {
            try ask("STREAM.PURGE.\(stream)", "{\"filter\":\"\(subject)\"}")
        } else {
            try ask("STREAM.MSG.DELETE.\(stream)", "{\"seq\":\(last.sequence)}")
        }
        destructions += 1
        destroyed.formUnion((all ? stored[...] : stored.suffix(1)).map(\.header.identity))
        rig.offer(lane)
        try settle("after a destruction")
    }

    /// Lets another process continue from the positions of the readers.
    private func recreate() throws {
        let old = rig
        old.client.close()
        oldLogs.append(old.log)
        rig = try connected()
        try addLanes(to: rig)
        for lane in lanes {
            rig.taken[lane] = old.taken[lane]
            rig.takenIDs[lane] = old.takenIDs[lane]
            rig.readers.open(lane, at: old.readers.position(lane))
        }
        try #require(rig.run { lanes.allSatisfy { rig.publisher.isReady(lane: $0) } })
        // From here on no packet of the predecessor can be stored any more.
        for lane in lanes { rig.offered[lane] = try lastID(lane) }
    }

    private func connected() throws -> TapeRig {
        var made: TapeRig?
        var reason = ""
        _ = eventually {
            do {
                made = try tape.rig(through: proxy)
            } catch {
                reason = "\(error)"
            }
            return made != nil
        }
        return try #require(made, "\(reason)")
    }

    /// Returns the last tick of the lane that is stored, or was stored before it was destroyed.
    private func lastID(_ lane: Int) throws -> UInt64 {
        let onTape = try stored(lane).last { !$0.ids.isEmpty }?.ids.last ?? 0
        return max(onTape, rig.takenIDs[lane].last ?? 0)
    }

    /// Waits until everything is acknowledged and read.
    private func settle(_ comment: String) throws {
        let isDone = rig.run { rig.publisher.isIdle && lanes.allSatisfy(rig.hasTakenAll) }
        let problems = lanes.compactMap { rig.readers.problem($0) }
        try #require(
            isDone,
            """
            \(comment): offered \(rig.offered), read \(rig.takenIDs.map(\.count)), \
            \(rig.publisher.trouble ?? "no trouble"), \(problems), \
            \(rig.log.lines(with: "tape.").suffix(8))
            """)
    }

    // MARK: invariants

    private func subject(_ lane: Int) -> String { tape.names.ticks(partition(lane), rig.source) }

    /// Returns the packets of a lane on the tape, read one at a time.
    private func stored(_ lane: Int) throws -> [StoredPacket] {
        let stream = tape.names.tickStream(of: partition(lane))
        #expect(eventually { inspector.client.connection.isConnected })
        let info = try #require(try inspector.client.jetStream.streamInfo(stream))
        guard info.messages > 0 else { return [] }
        return try (info.firstSequence...info.lastSequence).compactMap { sequence in
            guard
                let message = try inspector.client.jetStream.message(
                    stream: stream, sequence: sequence), message.subject == subject(lane)
            else { return nil }
            return try message.payload.withRawSpan { packet in
                let header = try PacketReader.validate(packet)
                var ids: [UInt64] = []
                var cursor = RecordCursor()
                while let record = cursor.next(in: packet) {
                    if case .trade(let trade) = record { ids.append(trade.header.providerID) }
                }
                return StoredPacket(header: header, sequence: sequence, ids: ids)
            }
        }
    }

    /// Expects that each tick is stored once, in order and dense; that acknowledged packets are
    /// stored where the acknowledgement said; that each reader took each packet once; and that
    /// nothing was reported lost except what was destroyed.
    func expectStoredAndTakenOnce(_ comment: String) throws {
        proxy.calm()
        try settle(comment)
        for lane in lanes {
            rig.expectTakenOnce(lane, comment)
            let stored = try stored(lane)
            let taken = rig.taken[lane].map(\.identity)
            #expect(
                stored.map(\.header.identity) == taken.filter { !destroyed.contains($0) },
                "\(comment): the tape and reader \(lane)")
            let places = Dictionary(
                uniqueKeysWithValues: stored.map { ($0.sequence, $0.header.identity) })
            for packet in acknowledged[lane] where !destroyed.contains(packet.header.identity) {
                #expect(
                    places[packet.sequence] == packet.header.identity,
                    "\(comment): lane \(lane), acknowledged at \(packet.sequence)")
            }
            let ends = acknowledged[lane].map(\.header.nextOrdinal)
            #expect(ends == ends.sorted(), "\(comment): lane \(lane)")
        }
        let lines = ["tape.rolled_back", "tape.hole", "tape.reader.stopped"].flatMap(lines(of:))
        #expect(lines.count == destructions, "\(comment): \(lines)")
    }

    /// Returns the events of this name, of all rigs.
    private func lines(of event: String) -> [String] {
        (oldLogs + [rig.log]).flatMap { $0.lines(with: "\"\(event)\"") }
    }

    var acknowledgedPackets: Int { acknowledged.reduce(0) { $0 + $1.count } }
    var ticks: UInt64 { rig.offered.reduce(0, +) }
    /// How often a publish had to be settled by reading the tape.
    var unsettled: Int { lines(of: "tape.publish.unsettled").count }
    /// The number of the present rig's consumers that were replaced because a delivery was missing.
    var missedDeliveries: Int { rig.log.count("\"reason\":\"delivery ") }
}
