import MarketModel
import Primitives
import Testing

@testable import TapeTraces

@Suite("The ids of traces and spans")
struct TraceIDTests {
    private func id(
        _ namespace: UInt64 = 7, _ source: String = "ibkr", _ partition: Int = 3,
        _ ordinal: UInt64 = 1_040
    ) throws -> TraceID {
        TraceID(
            namespace: namespace, source: try #require(SourceName(source)),
            partition: Partition(partition), ordinal: ordinal)
    }

    @Test("an id follows from the place on the tape alone, and each part of the place changes it")
    func place() throws {
        let one = try id()
        #expect(try id() == one)
        let others = [
            try id(8), try id(7, "ibkr-2"), try id(7, "ibkr", 4), try id(7, "ibkr", 3, 1_041),
        ]
        #expect(Set(others + [one]).count == 5)
        #expect(Set(others.map(\.low)).count == 4)
    }

    @Test("ids do not change: other releases and `tapeline trace` compute the same ones")
    func golden() throws {
        let id = try id()
        #expect(id.description == "9ba15e89fb3c81b4f5560e6c6ac69bc7")
        #expect(id.span(.receive) == 0x2eeb_7ecd_eaed_5a43)
        #expect(id.span(.publish) == 0xcde9_f378_eed8_40f3)
        #expect(id.span(.process) == 0x32f4_e512_9a4e_b9f9)
        #expect(id.span(.store("store")) == 0xb3b6_5bd8_84fa_ad5a)
    }

    @Test("an id is 32 digits, with those of its first bytes first")
    func text() {
        let id = TraceID(high: 0x0102_0304_0506_0708, low: 0xff)
        #expect(id.description == "010203040506070800000000000000ff")
    }

    @Test("each step has a span of its own, and leads to the one before it")
    func spans() throws {
        let id = try id()
        let steps: [TraceStep] = [
            .receive, .publish, .process, .store("store"), .store("store-clickhouse"),
        ]
        #expect(Set(steps.map { id.span($0) }).count == 5)
        #expect(steps.map(\.parent) == [nil, .receive, .publish, .publish, .publish])
        #expect(try self.id(8).span(.receive) != id.span(.receive))
    }

    @Test("a share is drawn by the last 63 bits, as samplers by ratio do")
    func sampled() throws {
        #expect(TraceID(high: 0, low: 1 << 63 - 2).isSampled(0.5))
        #expect(!TraceID(high: 0, low: 1 << 63).isSampled(0.5))
        #expect(!TraceID(high: 0, low: 1).isSampled(0))
        #expect(TraceID(high: 0, low: .max).isSampled(1))
        let drawn = try (1...20_000).map { try id(7, "ibkr", 3, $0) }.count { $0.isSampled(0.1) }
        #expect((1_850...2_150).contains(drawn))
    }
}
