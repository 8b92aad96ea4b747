import IBProtocol
import MarketModel
import Primitives
import Testing

/// Returns the body of a message: each field with its terminator.
func body(_ fields: [String]) -> [UInt8] {
    fields.flatMap { Array($0.utf8) + [0] }
}

/// Returns a message on the wire: its length and its body.
func framed(_ body: [UInt8]) -> [UInt8] {
    let count = UInt32(body.count)
    return [
        UInt8(count >> 24), UInt8(count >> 16 & 0xff), UInt8(count >> 8 & 0xff),
        UInt8(count & 0xff),
    ] + body
}

func fields(of text: String) -> [UInt8] {
    body(text.split(separator: "|", omittingEmptySubsequences: false).map(String.init))
}

func price(_ text: String) -> Price {
    do { return try Price(text) } catch {
        Issue.record("\(text) is no price")
        return .undefined
    }
}

func size(_ text: String) -> Quantity {
    do { return try Quantity(text) } catch {
        Issue.record("\(text) is no size")
        return .undefined
    }
}

func ratio(_ text: String) -> Ratio { Ratio(raw: price(text).raw) }

func word(_ text: String) -> ShortText { ShortText(text) ?? .empty }

func seconds(_ value: Int64) -> Timestamp { Timestamp(nanoseconds: value * 1_000_000_000) }

func milliseconds(_ value: Int64) -> Timestamp { Timestamp(nanoseconds: value * 1_000_000) }
