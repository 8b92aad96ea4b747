import MarketModel
import OperatorGraph
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

/// One `PartitionOperator` with a lane on a real tape. The test passes packets to it.
final class OperatorBench {
    let tape: TestTape
    let settings: OperatorSettings
    let publisher: TapePublisher
    let lane: Int
    let published: OutputLedger.End?
    let bars: TapeLane
    var core: PartitionOperator
    private let mailbox = TapeMailbox(capacity: 256)
    /// All packets so far, which a repair reads again.
    private(set) var taken: [[UInt8]] = []
    private var sequence: UInt64 = 0
    private var sources: [SourceOrdinal] = []

    /// A second bench on the same tape continues from what the first one wrote.
    init(_ tape: TestTape, series: String = "1s,1m", program: GraphProgram? = nil) throws {
        self.tape = tape
        let configuration = try TestService.configuration(
            Main.description,
            tape.environment.merging(["OPERATOR_SERIES": series]) { $1 })
        var settings = try OperatorSettings(configuration)
        if let program { settings.program = program }
        self.settings = settings
        publisher = try TapePublisher(try tape.connect(), mailbox: mailbox)
        lane = publisher.addLane(
            subject: tape.names.bars(Partition(0)), stream: tape.names.barStream,
            builder: PacketBuilder(kind: .bars, partition: Partition(0), source: .operator),
            marking: PublisherLane.Marking(definition: settings.definition, generation: 1))
        publisher.open()
        let isOpen = Self.settle(publisher, mailbox) { [publisher, lane] in
            publisher.isReady(lane: lane)
        }
        try #require(isOpen)
        let last = try tape.client.lastContent(
            stream: tape.names.barStream, subject: tape.names.bars(Partition(0)))
        let state = last?.withBytes { PacketReader.outputState(of: $0) }
        published = last.flatMap { last in
            state.map {
                OutputLedger.End(
                    ordinal: last.header.nextOrdinal - 1, checksum: $0.checksum)
            }
        }
        bars = TapeLane(publisher: publisher, lane: lane)
        core = PartitionOperator(starting: settings, behind: published, lane: bars)
    }

    convenience init(namespace: String, series: String = "1s,1m") throws {
        try self.init(
            TestTape(NatsServer.shared(), namespace: namespace), series: series)
    }

    private static func settle(
        _ publisher: TapePublisher, _ mailbox: TapeMailbox, _ isDone: () -> Bool
    ) -> Bool {
        eventually {
            var events: [TapeEvent] = []
            _ = mailbox.receive(into: &events, max: 64, timeout: .milliseconds(5))
            for event in events {
                if case .answer(let message) = event { publisher.handle(message) }
            }
            publisher.timePassed()
            return isDone()
        }
    }

    // MARK: input

    /// Hands a packet to the operator, as it comes from the tape.
    func take(_ packet: SealedPacket) { take(packet.bytes) }

    func take(_ bytes: [UInt8]) {
        sequence += 1
        taken.append(bytes)
        do {
            try bytes.withRawSpan { span throws(PacketError) in
                let header = try PacketReader.validate(span)
                if header.kind == .ticks {
                    sources = [
                        SourceOrdinal(
                            source: header.source, epoch: header.epoch,
                            lastOrdinal: header.nextOrdinal - 1)
                    ]
                }
                core.take(
                    header, span,
                    at: TapePosition(
                        streamCreated: Timestamp(nanoseconds: 77), sequence: sequence,
                        packet: header.identity, sources: sources))
            }
        } catch {
            Issue.record("\(error)")
        }
    }

    /// Hands packets of a feed to the operator. `closing`: also one that closes all windows.
    func take(_ feed: TickFeed, _ range: Range<Int>? = nil, closing: Bool = true) throws {
        var source = try feed.source(on: tape, 0)
        for packet in feed.packets[range ?? feed.packets.indices] {
            TickFeed.append(packet, to: &source)
            take(source.seal(watermark: packet.watermark))
        }
        if closing { take(source.seal(watermark: feed.end)) }
    }

    // MARK: output

    /// Sends until nothing is left to send.
    func drain() -> Bool {
        var now = MonotonicTime(nanoseconds: 0)
        return Self.settle(publisher, mailbox) {
            now += 1_000_000
            core.pump(bars, now: now)
            return core.isEmpty && publisher.isIdle
        }
    }

    func lastHeader() throws -> PacketHeader? {
        try tape.client.lastPacket(
            stream: tape.names.barStream, subject: tape.names.bars(Partition(0)))?.header
    }

    func barsOnTape() throws -> BarsOnTape { try BarsOnTape(tape, 0) }
}
