import Primitives

/// The list of gaps for the page that shows them. It can be long and rarely changes, so it is no
/// part of the events: they have its version.
struct GapsDocument: Sendable {
    let version: String
    let json: [UInt8]

    static let none = GapsDocument(GapList(), [])

    /// `stack` is the local stack that commands name; empty: none.
    init(_ list: GapList, _ services: [Sighting.Service], stack: String = "") {
        let waits = ProviderWait.all(services)
        var items = JSONWriter(capacity: 256 + list.gaps.count * 256)
        items.array { writer in
            for gap in list.gaps { Self.write(gap, waits[gap.source], stack, &writer) }
        }
        let version = String(fnv1a(items.bytes), radix: 16)
        self.version = version
        var writer = JSONWriter(capacity: items.bytes.count + 64)
        writer.object { writer in
            writer.member("version", version)
            writer.key("items")
            writer.literal(items.text)
        }
        json = writer.bytes
    }

    private static func write(
        _ gap: GapList.Gap, _ wait: ProviderWait?, _ stack: String, _ writer: inout JSONWriter
    ) {
        let outlook = GapOutlook(gap)
        writer.object { writer in
            if let symbol = gap.symbol { writer.member("symbol", symbol) }
            writer.member("kind", gap.kind)
            writer.member("source", gap.source)
            writer.member("reason", gap.reason)
            writer.member("from", gap.from)
            if let to = gap.to { writer.member("to", to) }
            if let noted = gap.notedAt { writer.member("noted", noted) }
            writer.member("outlook", outlook.rawValue)
            writer.member("words", TapeCommand.named(outlook.words(gap, wait), in: stack))
        }
    }
}

/// A number that differs when bytes differ, as far as nothing but a repeated answer depends on it.
func fnv1a(_ bytes: [UInt8]) -> UInt64 {
    bytes.reduce(UInt64(0xcbf2_9ce4_8422_2325)) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
}
