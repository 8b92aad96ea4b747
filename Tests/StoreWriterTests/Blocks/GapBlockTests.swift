import MarketModel
import Primitives
import QuestDBWire
import StoreSinks
import TapeCodec
import Testing

@testable import StoreWriter

@Suite("Gaps as rows of a store without transactions")
struct GapBlockTests {
    @Test("a gap that cannot be a row stops the batch, and one without a time stands in 1970")
    func unfitGaps() throws {
        let source = try #require(SourceName("a"))
        let gap = SinkGap(source: source, ordinals: 5...9, reason: .hole, epoch: 8)
        let catalogue = SinkCatalogue()
        let rows = BlockRows(
            WriteBatch(), catalogue, catalogue.sinks.map { LineRowWriter(QuestDBTable($0)) },
            gaps: LineRowWriter(.gaps))
        func blocks(created: Timestamp) throws -> [BlockRows.Part] {
            var after = SinkPosition(input: .ticks, partition: Partition(1), ownerEpoch: 1)
            after.position = TapePosition(
                streamCreated: created, sequence: 1,
                packet: PacketIdentity(epoch: 8, firstOrdinal: 1, checksum: 0), sources: [])
            return try rows.blocks(2, after, owed: [gap])
        }
        #expect(throws: StoreError.self) { try blocks(created: Timestamp(nanoseconds: -5)) }
        let block = try #require(try blocks(created: .undefined).first?.block as? LineBlock)
        #expect(String(decoding: block.body, as: UTF8.self).hasSuffix(" 0n\n"))
    }
}
