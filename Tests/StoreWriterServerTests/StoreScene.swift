import TapeTransport
import MarketModel
import NatsTransport
import PostgresClient
import Primitives
import ServiceRuntime
import ServiceTestSupport
import StoreSinks
import TapeCodec
import TapeProtocol
import TestSupport
import Testing

@testable import StoreWriter

/// One session with a real database, given batches by hand. It does what a worker does, without a
/// tape.
final class StoreScene: StatementTarget {
    let bench: WriterBench
    let service: TestService
    let client: TapeClient
    let output: DeadLetterOutput
    let store: PostgresSession
    let fence: ServerFence
    let place: SinkPlace
    let beat: ThreadBeat
    private var stored: SinkPosition
    /// When the tape takes the packets of the next batches.
    var tapeTime = Timestamp.undefined
    private var sequence: UInt64 = 0
    private var builder: PacketBuilder
    private var nextOrdinal: UInt64 = 1

    static let time: Int64 = 1_700_000_000_000_000_000

    init(
        _ name: String, input: SinkInput = .ticks, nats: NatsServer? = nil,
        on bench: WriterBench? = nil, _ changes: [String: String] = [:]
    ) throws {
        self.bench = try bench ?? WriterBench(name, nats: nats)
        let bench = self.bench
        service = try TestService(Main.description, bench.environment().merging(changes) { $1 })
        client = try bench.tape.connect(service)
        let settings = WriterSettings(service.context.configuration)
        let parts = settings.storeContext(client, service.context)
        output = parts.letters
        #expect(output.ensureStream() == nil)
        beat = service.context.threads.thread("test")
        let all = PostgresStore(parts)
        fence = all.fence
        store = PostgresSession(all, owner: StoreWorker.newOwner(thread: 0), beat: beat)
        place = SinkPlace(input: input, partition: Partition(1))
        stored = SinkPosition(input: input, partition: Partition(1), ownerEpoch: 0)
        let source = input == .bars ? SourceName.operator : try #require(SourceName("test"))
        builder = PacketBuilder(
            kind: input == .bars ? .bars : .ticks, partition: Partition(1), source: source)
        try builder.define("AAPL", provider: "ib", of: input == .bars ? "test" : nil)
        try builder.define(series: "1s")
        try claim()
    }

    /// Claims again, as after a lost session. The books name the position to continue from.
    func claim() throws {
        try store.open()
        let rows = try store.claim([SinkClaim(place: place, epoch: 1, knownEpoch: nil)])
        stored = try #require(rows.first).position
    }

    // MARK: packets

    /// Adds a trade of one share.
    func add(price: Int64, at time: Int64 = StoreScene.time) {
        let header = TickHeader(at: time, received: time + 5)
        precondition(
            builder.append(
                Trade(
                    header: header, price: Price(raw: price), size: Quantity(raw: 100_000_000))))
    }

    func add(_ gap: GapRecord) { precondition(builder.append(gap) == .appended) }
    func add(_ record: SubscriptionRecord) { precondition(builder.append(record) == .appended) }
    func add(_ bar: ProviderBar) { precondition(builder.append(bar)) }
    func add(_ late: LateTickRecord) { precondition(builder.append(late)) }
    func add(_ bar: Bar) { precondition(builder.append(bar)) }
    func add(_ value: IndicatorValue) { precondition(builder.append(value) == .appended) }

    /// Returns the packet of what was added.
    func seal(sendTime: Timestamp = Timestamp(nanoseconds: 0)) -> [UInt8] {
        let packet = builder.seal(
            PacketBuilder.Seal(
                epoch: 3, firstOrdinal: nextOrdinal, watermark: Timestamp(nanoseconds: 0),
                sendTime: sendTime))
        nextOrdinal = packet.header.nextOrdinal
        return packet.bytes
    }

    /// Returns packets of trades, with prices in whole units.
    func packets(_ prices: [Int64], of size: Int = 1_000) -> [[UInt8]] {
        stride(from: 0, to: prices.count, by: size).map { start in
            for price in prices[start..<min(prices.count, start + size)] {
                add(price: price * 1_000_000_000)
            }
            return seal()
        }
    }

    // MARK: writing

    /// Returns a batch of packets, as a worker makes it of what comes from the tape.
    func batch(_ packets: [[UInt8]]) throws -> WriteBatch {
        var batch = WriteBatch()
        for bytes in packets {
            let header = try bytes.withRawSpan { span throws(PacketError) in
                try PacketReader.header(of: span)
            }
            sequence += 1
            batch.add(
                WriteBatch.Item(
                    input: 0, header: header,
                    message: try NatsMessage(subject: "x", payload: bytes),
                    position: TapePosition(
                        streamCreated: Timestamp(nanoseconds: 77), sequence: sequence,
                        packet: header.identity, sources: []),
                    storedOrdinal: stored.account(header.source)?.lastOrdinal ?? 0,
                    tapeTime: tapeTime))
        }
        return batch
    }

    @discardableResult
    func write(_ packets: [[UInt8]]) throws -> BatchOutcome { try write(batch(packets)) }

    /// Writes a batch, from which the next one continues.
    @discardableResult
    func write(_ batch: WriteBatch) throws(StoreError) -> BatchOutcome {
        var settled = stored
        let outcome = try store.write(batch) { outcome in
            settled = batch.advanced(by: outcome) { _ in stored }[0] ?? stored
            return [settled]
        }
        stored = settled
        stored.forgetBatch()
        return outcome
    }

    /// Writes a batch that may fail. Returns its error.
    func failure(_ batch: WriteBatch) -> StoreError? {
        do throws(StoreError) {
            try write(batch)
            return nil
        } catch {
            return error
        }
    }

    // MARK: what became of it

    /// Returns the letters on their stream, in order.
    func letters() throws -> [DeadLetter] {
        let stream = bench.tape.names.deadLetterStream
        guard let info = try client.jetStream.streamInfo(stream), info.messages > 0 else {
            return []
        }
        return try (info.firstSequence...info.lastSequence).compactMap { sequence in
            guard let message = try client.jetStream.message(stream: stream, sequence: sequence)
            else { return nil }
            #expect(message.subject == "\(bench.tape.names.namespace).dlq.store")
            return try DeadLetter(json: message.payload)
        }
    }

    @discardableResult
    func psql(_ sql: String) throws -> String { try bench.database.psql(sql) }

    /// Returns first, last, written, dead-lettered, skipped, missing, replayed.
    func books() throws -> String {
        try psql(
            """
            SELECT first_ordinal, last_ordinal, written, dead_lettered, skipped, missing, replayed
            FROM sink_audit
            """)
    }

    /// Expects that the audit finds nothing wrong, but for trades that are in no bar: none is made.
    func expectCleanAudit(_ location: SourceLocation = #_sourceLocation) throws {
        let lines = try Audit.lines(of: bench.database)
        #expect(lines.count > 3, "\(lines)", sourceLocation: location)
        for line in lines where !(line.contains("trades") && line.contains("bar")) {
            #expect(line.contains("|t|"), "\(line)", sourceLocation: location)
        }
    }
}

extension WriterSettings {
    /// Returns what a store of this process is made of.
    func storeContext(_ client: TapeClient, _ context: ServiceContext) -> StoreKind.Context {
        StoreKind.Context(
            settings: self, service: context, client: client,
            letters: deadLetterOutput(client, context))
    }
}
