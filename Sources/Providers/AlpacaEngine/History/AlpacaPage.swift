internal import EngineKit
package import MarketModel
package import Primitives

/// A page of the past of one symbol.
package struct AlpacaPage: PastPage {
    /// A trade as the service has it now.
    package struct PastTrade: Sendable {
        /// What became of it.
        enum Update: String {
            /// It was cancelled.
            case canceled
            /// It was corrected, and this is how it was.
            case incorrect
            /// This is a trade with its corrected values.
            case corrected
        }

        var trade: Trade
        var update: Update?
    }

    package enum Row: Sendable {
        case trade(PastTrade)
        case bar(ProviderBar)
        case misfit(Timestamp, String)
    }

    package private(set) var rows: [Row] = []
    package private(set) var next = ""

    /// Reads a page; `nil`: it is none. `length`: that of its bars; `nil`: it has trades.
    init?(
        _ bytes: [UInt8], instrument: UInt32, length: Int64?, isOfCoins: Bool, _ now: Timestamp
    ) {
        let list = length == nil ? "trades" : "bars"
        var reader = JSONFieldReader([list, "next_page_token"])
        let isRead = bytes.withRawSpan { span -> Bool in
            guard reader.read(span) == nil else { return false }
            switch reader[1].kind {
            case .absent, .null: break
            case .text:
                guard
                    let text = reader[1].text(
                        in: span, bytesMax: AlpacaPastLimits.tokenBytesMax)
                else { return false }
                next = text
            case .number, .bool, .object, .array: return false
            }
            switch reader[0].kind {
            case .null: return true
            case .object: break
            case .absent, .text, .number, .bool, .array: return false
            }
            let object = span.extracting(reader[0].start..<reader[0].end)
            guard let list = Self.list(in: object) else { return true }
            var reader = AlpacaReader(isOfCoins: isOfCoins)
            return take(object.extracting(list), instrument, length, now, &reader)
        }
        guard isRead else { return nil }
    }

    /// Returns where the list of the only symbol is in an object that is JSON; `nil`: it has none.
    /// If there is another symbol, the list does not end there.
    private static func list(in object: RawSpan) -> Range<Int>? {
        var place = 0
        func skip(while isSkipped: (UInt8) -> Bool) {
            while place < object.byteCount, isSkipped(object.uint8(at: place)) { place += 1 }
        }
        let quote = UInt8(ascii: "\"")
        skip { $0 != quote }
        place += 1
        skip { $0 != quote }
        place += 1
        skip { $0 <= 0x20 || $0 == UInt8(ascii: ":") }
        guard place < object.byteCount, object.uint8(at: place) == UInt8(ascii: "[") else {
            return nil
        }
        return place..<object.byteCount - 1
    }

    /// Reads the rows. Returns false if they cannot be read.
    private mutating func take(
        _ bytes: RawSpan, _ instrument: UInt32, _ length: Int64?, _ now: Timestamp,
        _ reader: inout AlpacaReader
    ) -> Bool {
        guard reader.begin(bytes) else { return false }
        while true {
            switch reader.fields.next(bytes) {
            case .end: return true
            case .wrong: return false
            case .message(let place):
                guard let row = reader.row(bytes, place, instrument, length, now) else {
                    return false
                }
                rows.append(row)
            }
        }
    }
}

extension AlpacaReader {
    /// Reads a row of a page; `nil`: it has no time.
    fileprivate func row(
        _ bytes: RawSpan, _ place: Range<Int>, _ instrument: UInt32, _ length: Int64?,
        _ now: Timestamp
    ) -> AlpacaPage.Row? {
        let stamp = self[.time]
        guard stamp.kind == .text,
            let time = bytes.extracting(stamp.start..<stamp.end).utcTime
        else { return nil }
        let header = TickHeader(
            symbol: instrument, resolution: TimeResolution.nanosecond.rawValue,
            providerTime: time, receiveTime: now)
        do throws(FixedPoint.ParseError) {
            if let length { return .bar(try bar(bytes, header, length: length)) }
            let update = self[.update].text(in: bytes, bytesMax: 16)
            return .trade(
                AlpacaPage.PastTrade(
                    trade: try trade(bytes, header),
                    update: update.flatMap(AlpacaPage.PastTrade.Update.init)))
        } catch {
            return .misfit(time, bytes.misfit("a number", at: place))
        }
    }
}
