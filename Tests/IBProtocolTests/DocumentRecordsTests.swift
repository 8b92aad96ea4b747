import IBProtocol
import MarketModel
import Primitives
import Testing

@Suite("News and notices as records")
struct DocumentRecordsTests {
    private static let now = seconds(1_767_623_400)

    @Test("a headline keeps the article's time; a long one is cut between characters")
    func headlines() throws {
        let long = String(repeating: "ä", count: 2_000)
        guard
            case .feed(.news(let news)) = try message(
                "84|7|1767605400123|BRFG|BRFG$1|x\(long)|K:1.00")
        else { throw Unreadable() }
        let record = news.headline(symbol: 3, receivedAt: Self.now)
        #expect(record.header.providerTime == milliseconds(1_767_605_400_123))
        #expect(record.header.resolution == TimeResolution.millisecond.rawValue)
        #expect(record.header.symbol == 3)
        #expect(record.headline == "x" + String(repeating: "ä", count: 1_023))
        #expect(record.provider == "BRFG" && record.article == "BRFG$1" && record.extra == "K:1.00")
    }

    @Test("a bulletin belongs to no symbol and has the provider's id")
    func bulletins() throws {
        guard case .session(.bulletin(let bulletin)) = try message("14|1|5|3|Open again|NYSE")
        else {
            throw Unreadable()
        }
        let record = bulletin.record(receivedAt: Self.now)
        #expect(record.header.symbol == TickHeader.noSymbol && record.header.providerID == 5)
        #expect(record.kind == BulletinKind.exchangeAvailable.rawValue)
        #expect(record.text == "Open again" && record.exchange == "NYSE")
        guard case .session(.bulletin(let strange)) = try message("14|1|-5|9|?|") else {
            throw Unreadable()
        }
        #expect(strange.kind == .unknown)
        #expect(strange.record(receivedAt: Self.now).header.providerID == 0)
    }

    @Test("only notices about books void a book")
    func resets() {
        func reason(_ code: Int32) -> UInt8? {
            IBNotice(request: 7, code: code, text: "").depthReset(symbol: 3, receivedAt: Self.now)?
                .reason
        }
        #expect(reason(317) == DepthResetReason.reset.rawValue)
        #expect(reason(316) == DepthResetReason.halted.rawValue)
        #expect(reason(309) == nil)
    }
}
