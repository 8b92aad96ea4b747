internal import MarketModel
internal import Primitives
internal import TapeCodec

// A subject comes with every packet, so it is compared byte by byte, and no text is made of it.
extension PacketHeader {
    private static let ticks = ShortText("ticks.") ?? .empty
    private static let bars = ShortText("bars.") ?? .empty
    private static let watermarks = ShortText("wm.") ?? .empty
    private static let all = ShortText("all.") ?? .empty
    private static let universe = ShortText("universe") ?? .empty

    /// Whether the packet belongs on a subject: `md.ticks.<partition>.<source>`,
    /// `md.bars.<partition>`, `md.all.universe` or `md.wm.<stream>.<source>`.
    func fits(_ subject: RawSpan) -> Bool {
        let stream =
            switch kind {
            case .ticks: Self.ticks
            case .bars: Self.bars
            case .watermark: Self.watermarks
            }
        guard let namespace = subject.end(ofTokenAt: 0) else { return false }
        if kind == .bars, source == .universe {
            return subject.end(of: Self.all, at: namespace + 1)
                .flatMap { subject.end(of: Self.universe, at: $0) } == subject.byteCount
        }
        guard let number = subject.end(of: stream, at: namespace + 1),
            let end = subject.end(of: ShortText(number: partition.number), at: number)
        else { return false }
        guard kind != .bars else { return end == subject.byteCount }
        guard end == subject.end(ofTokenAt: number) else { return false }
        let words = source.words
        guard let first = subject.end(of: ShortText(raw: words.first), at: end + 1),
            let second = subject.end(of: ShortText(raw: words.second), at: first)
        else { return false }
        return subject.end(of: ShortText(raw: words.third), at: second) == subject.byteCount
    }
}

extension ShortText {
    /// The digits of a number of at most eight.
    fileprivate init(number: Int) {
        self.init(raw: 0)
        var rest = UInt64(number)
        repeat {
            raw = raw << 8 | (UInt64(UInt8(ascii: "0")) + rest % 10)
            rest /= 10
        } while rest > 0
    }
}

extension RawSpan {
    /// Returns the offset of the first dot from an offset on.
    fileprivate func end(ofTokenAt start: Int) -> Int? {
        var place = start
        while place < byteCount {
            if uint8(at: place) == UInt8(ascii: ".") { return place }
            place += 1
        }
        return nil
    }

    /// Returns the offset after a text that is at an offset; `nil`: it is not there.
    fileprivate func end(of text: ShortText, at start: Int) -> Int? {
        var rest = text.raw
        var place = start
        while rest != 0 {
            guard place < byteCount, uint8(at: place) == UInt8(truncatingIfNeeded: rest) else {
                return nil
            }
            rest >>= 8
            place += 1
        }
        return place
    }
}
