/// Collects the numbers of the client's requests.
struct RequestWatch {
    private(set) var feeds = Feeds()
    private var bytes: [UInt8] = []
    private var isGreeted = false

    mutating func add(_ more: [UInt8]) {
        bytes += more
        while true {
            // Four bytes come before the greeting.
            let head = isGreeted ? 0 : 4
            guard bytes.count >= head + 4 else { return }
            let length = bytes[head..<head + 4].reduce(0) { $0 << 8 | Int($1) }
            guard bytes.count >= head + 4 + length else { return }
            if isGreeted { note(bytes[4..<4 + length]) }
            isGreeted = true
            bytes.removeFirst(head + 4 + length)
        }
    }

    private mutating func note(_ body: ArraySlice<UInt8>) {
        let fields = body.split(separator: 0, omittingEmptySubsequences: false).map {
            String(decoding: $0, as: UTF8.self)
        }
        switch fields.first {
        case "1": if let id = Int32(fields[2]) { feeds.level1.append(id) }
        case "97":
            guard let id = Int32(fields[1]) else { return }
            if fields.contains("BidAsk") {
                feeds.quotes.append(id)
            } else {
                feeds.trades.append(id)
            }
        default: return
        }
    }
}
