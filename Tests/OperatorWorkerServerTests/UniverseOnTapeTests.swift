import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import ServiceTestSupport
import StreamCore
import TapeCodec
import TapeKeeping
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import OperatorWorker
@testable import OperatorWorkerTests

/// The share that works over all partitions, on a real server.
@Suite("A worker of the universe")
struct UniverseOnTapeTests {
    private static let everything = [0, 1, 2, 3, 4]
    private static let seed: UInt64 = 7_041

    private func tape(_ namespace: String) throws -> TestTape {
        try TestTape(NatsServer.shared(), namespace: namespace)
    }

    private func worker(_ tape: TestTape, takes: [Int] = everything) throws -> TestWorker {
        try TestWorker(tape, takes: takes, graph: UniverseScene.graph())
    }

    /// Publishes two days of twenty seconds each. `pause` is called in the middle of the second
    /// one.
    @discardableResult
    private func publish(
        _ tape: TestTape, pause: () throws -> Void = {}
    ) throws -> UniverseScene {
        var scene = try UniverseScene(tape)
        var random = SeededRandom(seed: Self.seed)
        for day in 0..<2 as Range<Int64> {
            for second in 0..<20 as Range<Int64> {
                try scene.trade(second, ofDay: day, &random)
                if day == 1, second == 10 { try pause() }
            }
        }
        try scene.advance(to: 60, ofDay: 1)
        return scene
    }

    /// Waits for ten values of each window of two times twenty seconds.
    private func settles(_ tape: TestTape) -> Bool {
        eventually { (try? ValuesOnTape(tape).values.count) == 400 }
    }

    @Test("breadth over two partitions is what a plain calculation over their bars says")
    func breadth() throws {
        let tape = try tape("un1")
        let heard = try GroupPositionListener(tape.client)
        let running = try worker(tape).start()
        var scene = try publish(tape)
        #expect(settles(tape))
        // What is durable is behind a second checkpoint, which is stored when more has come.
        var second: Int64 = 60
        #expect(
            try eventually {
                second += 1
                try scene.advance(to: second, ofDay: 1)
                return isTold(heard, tape)
            })
        let found = try ValuesOnTape(tape)
        #expect(found.problems.isEmpty, "\(found.problems)")
        #expect(found.values == (try ValuesOnTape.naive(tape)), "seed \(Self.seed)")
        #expect(Set(found.values.map(\.value)).count > 4)
        #expect(try running.stop() == .success)
    }

    /// Returns whether it reports how far it has read the bars of each partition, and its own
    /// output.
    private func isTold(_ heard: GroupPositionListener, _ tape: TestTape) -> Bool {
        let told = heard.store.groups["operator"]?.positions ?? [:]
        return (0..<4).allSatisfy { number in
            let place = PositionStore.Place(input: .bars, partition: Partition(number))
            guard let position = told[place], position.durable > 0 else { return false }
            let own = position.sources.first { $0.source == .universe }
            return position.sources.first?.source == .operator
                && own?.lastOrdinal == (number == 0 ? 400 : nil)
        }
    }

    @Test("warmed up by a provider's days it is right on the first day, also with a new graph")
    func warmedUp() throws {
        let tape = try tape("un6")
        var scene = try UniverseScene(tape)
        try scene.addDayBefore()
        var random = SeededRandom(seed: Self.seed)
        for second in 0..<5 as Range<Int64> { try scene.trade(second, ofDay: 0, &random) }
        try scene.advance(to: 30, ofDay: 0)
        let cold = try worker(tape).start()
        #expect(eventually { (try? ValuesOnTape(tape).values.count) == 50 })
        #expect(try cold.stop() == .success)
        #expect(try known(tape) == [0, 0, 0, 0, 0])
        // The daily bars are on the tape before the new graph needs them.
        let warm = try TestWorker(
            tape, ["OPERATOR_GENERATION": "2"], takes: Self.everything,
            graph: UniverseScene.graph(warmsUp: true)
        ).start()
        // They are passed on with the first packet after the rebuild, which may read earlier ones.
        let arePassedOn = try eventually {
            try scene.advance(to: 31, ofDay: 0)
            return (try? BarsOnTape(tape, 1).values.count) == 3
        }
        #expect(arePassedOn)
        for second in 31..<36 as Range<Int64> { try scene.trade(second, ofDay: 0, &random) }
        try scene.advance(to: 60, ofDay: 0)
        #expect(eventually { (try? ValuesOnTape(tape).values.count) == 100 })
        #expect(try warm.stop() == .success)
        let found = try ValuesOnTape(tape)
        #expect(found.problems.isEmpty, "\(found.problems)")
        #expect(try known(tape) == [0, 0, 0, 0, 0, 2, 2, 2, 2, 2])
        let told = try BarsOnTape(tape, 0).values.map { "\($0.name) \($0.value / 1_000_000_000)" }
        #expect(
            told == [
                "market.history.high 150", "market.history.low 100", "market.history.close 125",
            ])
    }

    /// Returns for each window the number of symbols whose previous day was known.
    private func known(_ tape: TestTape) throws -> [Int128] {
        try ValuesOnTape(tape).values.filter { $0.name == "market.advance_decline.symbols" }
            .map { $0.value / 1_000_000_000 }
    }

    @Test("rebuilt, and with a new generation, it goes on behind what stands")
    func anew() throws {
        let tape = try tape("un5")
        let first = try worker(tape).start()
        var running: RunningService?
        try publish(tape) {
            #expect(eventually { (try? ValuesOnTape(tape).values.count) ?? 0 > 250 })
            let bucket = try tape.client.jetStream.createBucket(
                KeyValueConfiguration(bucket: tape.names.operatorBucket))
            let key = CheckpointKeys(partition: 4).request
            _ = try bucket.create(key, Array("{\"v\":1,\"requested_ns\":1}".utf8))
            #expect(try eventually { try bucket.get(key) == nil })
            #expect(eventually { first.log.count(of: "operator.rebuild.begun") == 1 })
            #expect(try first.stop() == .success)
            running = try TestWorker(
                tape, ["OPERATOR_GENERATION": "2"], takes: Self.everything,
                graph: UniverseScene.graph()
            ).start()
        }
        #expect(settles(tape))
        #expect(try running?.stop() == .success)
        let found = try ValuesOnTape(tape)
        #expect(found.problems.isEmpty, "\(found.problems)")
        #expect(found.values == (try ValuesOnTape.naive(tape)))
        #expect(found.generations == [1, 2])
    }

    @Test("killed, stopped and taken over it goes on with the same values")
    func takenOver() throws {
        let (tape, other) = (try tape("un2"), try tape("un3"))
        let undisturbed = try worker(other).start()
        try publish(other)
        #expect(settles(other))
        #expect(try undisturbed.stop() == .success)
        let bars = try worker(tape, takes: [0, 1, 2, 3]).start()
        let first = try worker(tape, takes: [4])
        let client = try tape.connect(first.service)
        let running = try first.start(client)
        try publish(tape) {
            #expect(eventually { (try? ValuesOnTape(tape).values.count) ?? 0 > 250 })
            client.close()
            _ = try running.exitCode()
        }
        let second = try worker(tape, takes: [4]).start()
        #expect(settles(tape))
        #expect(try second.stop() == .success)
        let third = try worker(tape, takes: [4])
        let again = try third.start()
        // It owns its share before its marker is on the tape.
        #expect(eventually { third.member.epoch(4) != nil })
        #expect(eventually { (try? ValuesOnTape(tape).epochs.count) == 3 })
        #expect(try again.stop() == .success)
        #expect(try bars.stop() == .success)
        let found = try ValuesOnTape(tape)
        #expect(found.problems.isEmpty, "\(found.problems)")
        #expect(found.values == (try ValuesOnTape(other).values))
        #expect(found.epochs.count == 3)
    }

    @Test("a graph without such nodes has no share that works over all partitions")
    func none() throws {
        let tape = try tape("un4")
        let plain = try TestWorker(tape, ["OPERATOR_SERIES": "1s"], takes: Self.everything)
        #expect(plain.settings.shares(of: tape.names) == 4)
        #expect(plain.settings.reads(of: tape.names) == [.ticks])
        #expect(try worker(tape).settings.shares(of: tape.names) == 5)
        #expect(try worker(tape).settings.reads(of: tape.names) == [.ticks, .bars])
        let running = try plain.start()
        try publish(tape)
        #expect(
            eventually { (try? BarsOnTape(tape, 1).newest("1s").count) == 40 })
        #expect(try running.stop() == .success)
        #expect(try ValuesOnTape(tape).epochs.isEmpty)
    }
}
