import MarketModel
import Primitives
import TapeCodec
import TapeListing

/// A message of the tape as the page shows it: decoded, as far as it can be, beside its bytes.
/// Pure.
struct SeenPacket: Equatable, Sendable {
    /// The most ticks of a packet that are listed. Further ones are counted.
    static let ticksMax = 16
    /// The most bytes of a packet that are shown.
    static let bytesMax = 512

    struct Tick: Equatable, Sendable {
        let kind: String
        let symbol: String
        let time: Timestamp
        let ordinal: UInt64?
        let fields: [Field]
    }

    struct Field: Equatable, Sendable {
        let name: String
        let text: String
    }

    let sequence: UInt64
    let subject: String
    /// When the tape stored it.
    let time: Timestamp
    let byteCount: Int
    /// The first bytes.
    let bytes: [UInt8]
    let header: PacketHeader?
    /// Why it cannot be read. `nil` if it can.
    let problem: String?
    /// What opens an epoch.
    let marker: EpochMarker?
    private(set) var ticks: [Tick] = []
    /// Ticks that are selected and not listed.
    private(set) var more = 0

    init(
        _ payload: [UInt8], sequence: UInt64, subject: String, time: Timestamp, of symbol: Symbol?
    ) {
        (self.sequence, self.subject, self.time) = (sequence, subject, time)
        byteCount = payload.count
        bytes = Array(payload.prefix(Self.bytesMax))
        do throws(PacketError) {
            header = try payload.withRawSpan { span throws(PacketError) in
                try PacketReader.validate(span)
            }
            problem = nil
        } catch {
            (header, marker, problem) = (nil, nil, "\(error)")
            return
        }
        marker = payload.withRawSpan { PacketReader.epochMarker(of: $0) }
        list(payload, of: symbol)
    }

    private mutating func list(_ payload: [UInt8], of symbol: Symbol?) {
        guard let header else { return }
        var (listing, tick, selection) = (PacketListing(), ListedTick(), ListedSelection())
        selection.wantsControl = true
        if let symbol { selection.symbols = [symbol] }
        listing.begin(header, sequence: sequence)
        var (ticks, more) = ([Tick](), 0)
        payload.withRawSpan { span in
            listing.walk(span, selection, &tick) { tick in
                guard ticks.count < Self.ticksMax else {
                    more += 1
                    return
                }
                ticks.append(
                    Tick(
                        kind: tick.kind.name, symbol: tick.symbol, time: tick.time,
                        ordinal: tick.ordinal,
                        fields: tick.fields.map { Field(name: $0.name, text: $0.value.shown) }))
            }
        }
        (self.ticks, self.more) = (ticks, more)
    }

    /// The names of the header's flags.
    var flags: [String] {
        guard let header else { return [] }
        return [
            header.flags.contains(.epochMarker) ? "opens an epoch" : nil,
            header.retiresSource ? "retires its source" : nil,
        ].compactMap(\.self)
    }
}

extension RecordField.Value {
    /// The value as `tapeline tail` prints it.
    fileprivate var shown: String {
        switch self {
        case .text(let text): text
        case .short(let text): text.text
        case .decimal(let raw, let decimals): FixedPoint.text(raw, decimals: decimals)
        case .wide(let raw, let decimals): FixedPoint.text(raw, decimals: decimals)
        case .time(let time): time.description
        case .integer(let number): "\(number)"
        case .unsigned(let number): "\(number)"
        case .flags(let names): names.joined(separator: " ")
        case .truth(let isSo): isSo ? "true" : "false"
        }
    }
}
