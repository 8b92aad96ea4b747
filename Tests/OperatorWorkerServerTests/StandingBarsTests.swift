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

/// Bars by number and by inactivity from earlier sessions. A repair may make other bars than the
/// stored ones.
@Suite("Repairs of bars that stand elsewhere")
struct StandingBarsTests {
    /// The tenths of a second from the scene's start past the end of its UTC day.
    private static let nextDay: Int64 = 70_000

    private func reached(_ scene: RepairScene) -> UInt64 {
        let names = scene.tape.names
        let last = try? scene.tape.client.lastContent(
            stream: names.barStream, subject: names.bars(Partition(0)))
        return last?.withBytes { PacketReader.outputState(of: $0) }?.input.sequence ?? 0
    }

    /// Publishes ten closed trades with a pause in the middle; then the next day; then one trade of
    /// the first day is cancelled.
    private func publish(_ scene: inout RepairScene, _ steps: ClosedRange<Int>) throws -> UInt64 {
        var sequence: UInt64 = 0
        for step in steps {
            switch step {
            case 0: scene.trades(0..<5)
            case 1: scene.trades(45..<50)
            case 2: scene.trades(Self.nextDay..<Self.nextDay + 4)
            default: scene.trade(3, action: .cancel)
            }
            let time = step < 2 ? Int64(step) * 80 + 40 : Self.nextDay + Int64(step) * 100
            sequence = try scene.source.publish(watermark: RepairScene.time(time))
        }
        return sequence
    }

    private func graph() throws -> (TemporaryFolder, String) {
        let folder = try TemporaryFolder("standing")
        let path = try folder.write(
            """
            version: 1
            name: standing
            nodes:
              bars:
                operator: bars
                input: trades
                series: [{name: t3, ticks: 3}, {name: pause, inactivity: 1s}]

            """, to: "graph.yaml")
        return (folder, path)
    }

    @Test("bars of an earlier session that are no more are withdrawn, also by a later owner")
    func withdrawn() throws {
        let (folder, path) = try graph()
        defer { withExtendedLifetime(folder) {} }
        var versions: [[Bar]] = []
        for round in 0..<2 {
            var scene = try RepairScene(TestTape(NatsServer.shared(), namespace: "sb\(round)"))
            func start() throws -> RunningService {
                try TestWorker(scene.tape, ["OPERATOR_GRAPH": path], takes: [0]).start()
            }
            // In the second round another owner repairs, without a checkpoint later than the bars.
            var worker = try start()
            let last = try publish(&scene, 0...3)
            if round == 1 {
                #expect(eventually { reached(scene) >= 2 })
                #expect(try worker.stop() == .success)
                worker = try start()
            }
            #expect(eventually { reached(scene) >= last })
            #expect(try worker.stop() == .success)
            let found = try BarsOnTape(scene.tape, 0)
            #expect(found.problems.isEmpty, "\(found.problems)")
            versions.append(found.all)
            let busts = found.all.filter { $0.reason == BarReason.bust.rawValue }
            // The tenth trade made a bar by itself at the end of the day.
            let gone = busts.filter { $0.flags.contains(.withdrawn) }
            #expect(gone.map(\.number).contains(3), "\(busts)")
            #expect(gone.allSatisfy { $0.trades == 0 && !$0.open.isDefined })
            let pauses = found.newest("pause").values.filter {
                $0.openTime < RepairScene.time(Self.nextDay)
            }
            #expect(pauses.map(\.trades).sorted() == [4, 5])
        }
        #expect(versions[0] == versions[1])
    }

    @Test("bars that have to be read back and are gone from their tape refuse the repair")
    func purged() throws {
        let (folder, path) = try graph()
        defer { withExtendedLifetime(folder) {} }
        var scene = try RepairScene(TestTape(NatsServer.shared(), namespace: "sb3"))
        let worker = try TestWorker(scene.tape, ["OPERATOR_GRAPH": path], takes: [0]).start()
        // In at least two packets.
        for steps in [0...0, 1...2] {
            let closed = try publish(&scene, steps)
            #expect(eventually { reached(scene) >= closed })
        }
        let names = scene.tape.names
        let last = try #require(
            try scene.tape.client.lastPacket(
                stream: names.barStream, subject: names.bars(Partition(0))))
        _ = try scene.tape.client.jetStream.purge(
            stream: names.barStream, below: last.last.sequence)
        scene.trade(3, action: .cancel)
        let asked = try scene.source.publish(
            watermark: RepairScene.time(2 * Self.nextDay))
        #expect(eventually { reached(scene) >= asked })
        #expect(eventually { worker.log.count(of: "operator.repair.refused") == 1 })
        #expect(worker.log.text.contains("have to be read back"))
        #expect(try worker.stop() == .success)
    }
}
