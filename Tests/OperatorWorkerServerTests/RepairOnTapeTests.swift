import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import ServiceTestSupport
import StreamCore
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import OperatorWorker
@testable import OperatorWorkerTests

/// A worker that reads parts of its tape again, on a real server.
@Suite("A worker that repairs")
struct RepairOnTapeTests {
    private static let second: Int64 = 1_000_000_000

    private func scene(_ namespace: String) throws -> RepairScene {
        try RepairScene(try TestTape(NatsServer.shared(), namespace: namespace))
    }

    private func start(_ scene: RepairScene) throws -> RunningService {
        try TestWorker(scene.tape, ["OPERATOR_SERIES": "1s"], takes: [0]).start()
    }

    private func checkedBars(of scene: RepairScene) throws -> BarsOnTape {
        let found = try BarsOnTape(scene.tape, 0)
        #expect(found.problems.isEmpty, "\(found.problems)")
        return found
    }

    /// Publishes three seconds of closed trades.
    private func publish(_ scene: inout RepairScene) throws {
        for second in 0..<3 as Range<Int64> {
            scene.trades(second * 10..<second * 10 + 10)
            try scene.source.publish(watermark: RepairScene.time(second * 10 + 10))
        }
        try scene.source.publish(watermark: RepairScene.time(100))
    }

    /// Publishes a second of trades that closes everything before.
    private func close(_ scene: inout RepairScene, _ tenth: Int64) throws -> UInt64 {
        scene.trade(tenth)
        return try scene.source.publish(watermark: RepairScene.time(tenth + 300))
    }

    @Test("busts, corrections, filled gaps and requests give the next versions, with their reasons")
    func reasons() throws {
        var scene = try scene("rp1")
        let worker = try start(scene)
        try publish(&scene)
        scene.trade(3, action: .cancel)
        try scene.source.publish(watermark: RepairScene.time(101))
        scene.trade(14, price: 500, action: .correction)
        try scene.source.publish(watermark: RepairScene.time(102))
        scene.trade(40, flags: .backfilled)
        scene.fillGap(40, 50)
        try scene.source.publish(watermark: RepairScene.time(103))
        scene.trade(25, price: 900)
        try scene.source.publish(watermark: RepairScene.time(200))
        scene.requestRepair(20, 30)
        try scene.people.publish(watermark: RepairScene.noWatermark)
        let last = try close(&scene, 210)
        #expect(eventually { scene.tape.input() >= last })
        let found = try checkedBars(of: scene)
        let newest = found.newest("1s")
        let start = RepairScene.start
        #expect(newest[start]?.trades == 9)
        #expect(newest[start]?.reason == BarReason.bust.rawValue)
        #expect(newest[start + Self.second]?.high.raw == 500 * Self.second)
        #expect(newest[start + 4 * Self.second]?.reason == BarReason.backfill.rawValue)
        #expect(newest[start + 2 * Self.second]?.high.raw == 900 * Self.second)
        #expect(newest[start + 2 * Self.second]?.reason == BarReason.repair.rawValue)
        #expect(found.late.map(\.ordinal) == [35])
        #expect(eventually { worker.log.count(of: "operator.repair.done") == 4 })
        let listed = #"mds_operator_late_ticks_total{action="listed"}"#
        #expect(eventually { worker.service.metric(listed) == 1 })
        #expect(try worker.stop() == .success)
    }

    @Test("a range that the tape does not hold any more is refused, and the partition goes on")
    func refused() throws {
        var scene = try scene("rp2")
        let worker = try TestWorker(scene.tape, ["OPERATOR_SERIES": "1s"], takes: [0])
        let running = try worker.start()
        try publish(&scene)
        #expect(eventually { scene.tape.input() >= 4 })
        let stream = scene.tape.names.tickStream(of: Partition(0))
        _ = try scene.tape.client.jetStream.purge(stream: stream, below: 3)
        scene.requestRepair(0, 10)
        try scene.people.publish(watermark: RepairScene.noWatermark)
        let last = try close(&scene, 210)
        #expect(eventually { scene.tape.input() >= last })
        #expect(eventually { running.log.count(of: "operator.repair.refused") == 1 })
        #expect(running.log.text.contains("the tape of test begins at"))
        let counted = #"mds_operator_repairs_refused_total{reason="retention"}"#
        #expect(running.service.metric(counted) == 1)
        let found = try checkedBars(of: scene)
        #expect(found.values.map(\.name) == ["repair.refused.retention"])
        #expect(found.all.allSatisfy { $0.reason == BarReason.closed.rawValue })
        #expect(
            eventually {
                worker.firstPartition?["last_repair"]?.string?.hasPrefix("refused: ") == true
            })
        #expect(worker.firstPartition?["problem"] == .null)
        #expect(try running.stop() == .success)
    }

    @Test("a repair tells what it read and made, and what it had to leave out")
    func leftOut() throws {
        var scene = try scene("rp8")
        let worker = try TestWorker(scene.tape, ["OPERATOR_SERIES": "1s"], takes: [0])
        let running = try worker.start()
        try publish(&scene)
        scene.trade(3, action: .cancel)
        // From a provider without ids, and from a time without trades.
        scene.trade(-1, action: .cancel)
        let asked = try scene.source.publish(watermark: RepairScene.time(101))
        #expect(eventually { scene.tape.input() >= asked })
        let done = try #require(
            running.log.text.split(separator: "\n").first { $0.contains("operator.repair.done") })
        for part in [#""ticks":"#, #""packets":5"#, #""ranges":2"#, "without 1 changes"] {
            #expect(done.contains(part), "\(part): \(done)")
        }
        let counted = #"mds_operator_repair_left_out_total{what="changes"}"#
        #expect(running.service.metric(counted) == 1)
        #expect(eventually { worker.firstPartition?.at("repairs_left_out", "changes")?.int == 1 })
        #expect(try running.stop() == .success)
    }

    @Test("behind a damaged checkpoint the next owner keeps to the refusal that stands")
    func keptTo() throws {
        var scene = try scene("rp6")
        let bucket = try scene.tape.client.jetStream.createBucket(
            KeyValueConfiguration(bucket: scene.tape.names.operatorBucket))
        let first = try start(scene)
        try publish(&scene)
        #expect(eventually { scene.tape.input() >= 4 })
        #expect(try first.stop() == .success)
        let second = try start(scene)
        let stream = scene.tape.names.tickStream(of: Partition(0))
        _ = try scene.tape.client.jetStream.purge(stream: stream, below: 3)
        scene.requestRepair(0, 10)
        let asked = try scene.people.publish(watermark: RepairScene.noWatermark)
        #expect(eventually { scene.tape.input() >= asked })
        #expect(try second.stop() == .success)
        #expect(second.log.count(of: "operator.repair.refused") == 1)
        try damage(bucket)
        let third = try start(scene)
        let last = try close(&scene, 210)
        #expect(eventually { scene.tape.input() >= last })
        #expect(eventually { third.log.count(of: "operator.checkpoint.damaged") == 1 })
        #expect(third.log.count(of: "operator.repair.refused") == 0)
        #expect(eventually { third.service.metric("mds_operator_bars_suppressed") == 1 })
        #expect(try third.stop() == .success)
        #expect(try checkedBars(of: scene).values.map(\.name) == ["repair.refused.retention"])
    }

    /// Damages the newest checkpoint of the partition.
    private func damage(_ bucket: KeyValueBucket) throws {
        let keys = CheckpointKeys(partition: 0)
        let entry = try #require(try bucket.get(keys.head))
        let head = try entry.value.withRawSpan { span throws(CheckpointError) in
            try CheckpointHead(span)
        }
        let newest = try #require(head.entries.first)
        let key = keys.part(0, slot: Int(newest.manifest.number % CheckpointTimes.slots))
        let part = try #require(try bucket.get(key))
        var value = part.value
        value[value.count / 2] ^= 1
        _ = try bucket.put(key, value, expected: part.revision)
    }

    @Test("where the tapes of a partition's sources begin is read from the tape")
    func reach() throws {
        var scene = try scene("rp7")
        try publish(&scene)
        scene.requestRepair(0, 10)
        try scene.people.publish(watermark: RepairScene.noWatermark)
        try scene.source.publishMarker(lost: 40...50)
        scene.trade(200)
        let last = try scene.source.publish(watermark: RepairScene.time(300))
        let responder = RepairResponder(
            names: scene.tape.names, jetStream: scene.tape.client.jetStream)
        let (test, people) = (scene.source.source, scene.people.source)
        func starts() throws -> [RepairReach.Start] {
            guard
                case .reach(let reach) = responder.answer(.reach([test, people]), of: Partition(0))
            else { return [] }
            return reach.starts
        }
        var found = try starts()
        #expect(found.map(\.first?.sequence) == [1, 5])
        #expect(found.map(\.second?.sequence) == [2, nil])
        // A marker is not a second packet with content.
        let stream = scene.tape.names.tickStream(of: Partition(0))
        _ = try scene.tape.client.jetStream.purge(stream: stream, below: 4)
        found = try starts()
        #expect(found.map(\.first?.sequence) == [4, 5])
        #expect(found.map(\.first?.firstOrdinal) == [31, 1])
        #expect(found.map(\.second?.sequence) == [last, nil])
    }

    @Test("ordinals that are missing within the range refuse the repair")
    func missing() throws {
        var scene = try scene("rp3")
        let running = try start(scene)
        try publish(&scene)
        #expect(eventually { scene.tape.input() >= 4 })
        let stream = scene.tape.names.tickStream(of: Partition(0))
        _ = try scene.tape.client.jetStream.deleteMessage(stream: stream, sequence: 2)
        scene.requestRepair(0, 30)
        try scene.people.publish(watermark: RepairScene.noWatermark)
        let last = try close(&scene, 210)
        #expect(eventually { scene.tape.input() >= last })
        #expect(eventually { running.log.count(of: "operator.repair.refused") == 1 })
        #expect(running.log.text.contains("does not hold ordinals 11 to 20 of test"))
        #expect(try running.stop() == .success)
        _ = try checkedBars(of: scene)
    }

    @Test("a partition that is handed over or lost in a repair is repaired by its next owner")
    func handedOver() throws {
        for (round, isKilled) in [false, true, false, true].enumerated() {
            var scene = try scene("rp4\(round)")
            let worker = try TestWorker(scene.tape, ["OPERATOR_SERIES": "1s"], takes: [0])
            let client = try scene.tape.connect(worker.service)
            let first = try worker.start(client)
            try publish(&scene)
            #expect(eventually { scene.tape.input() >= 4 })
            scene.trade(3, action: .cancel)
            try scene.source.publish(watermark: RepairScene.time(101))
            scene.requestRepair(10, 30)
            try scene.people.publish(watermark: RepairScene.noWatermark)
            if isKilled {
                client.close()
                _ = try first.exitCode()
            } else {
                #expect(worker.member.handOver(0))
                #expect(try first.stop() == .success)
            }
            let second = try start(scene)
            let last = try close(&scene, 210)
            #expect(eventually { scene.tape.input() >= last })
            #expect(try second.stop() == .success)
            let found = try checkedBars(of: scene)
            let reasons = found.all.map(\.reason)
            #expect(reasons.count { $0 == BarReason.bust.rawValue } == 1)
            #expect(reasons.count { $0 == BarReason.repair.rawValue } == 2)
        }
    }
}
