/// A time zone as the system's files describe it (TZif, RFC 9636): transitions, and a rule for the
/// time after the last of them.
public struct ZoneFile: Sendable {
    /// The transitions in order of time: seconds since 1970, and the seconds east of Greenwich from
    /// then on.
    let transitions: [(time: Int64, offset: Int64)]
    /// The offset before the first transition.
    let firstOffset: Int64
    /// The rule after the last transition; `nil` when the last transition's offset stays.
    let rule: ZoneRule?

    public static let bytesMax = 1 << 18
    /// The bound of times, in seconds around 1970: more than 9,000 years. Beyond it there are no
    /// clock changes.
    static let timeMax: Int64 = 300_000_000_000
    /// The bound of offsets, in seconds. No zone is farther from Greenwich.
    static let offsetMax: Int64 = 26 * 3_600

    /// Fails when the bytes are not such a file of version 2 or later.
    public init?(_ bytes: [UInt8]) {
        guard bytes.count <= Self.bytesMax, let first = ZoneHeader(bytes, at: 0),
            first.version >= UInt8(ascii: "2"),
            let second = ZoneHeader(bytes, at: first.end(timeBytes: 4)),
            second.end(timeBytes: 8) <= bytes.count
        else { return nil }
        let reader = ZoneReader(bytes, second)
        guard let offsets = reader.offsets(), let transitions = reader.transitions(offsets),
            let footer = reader.footer()
        else { return nil }
        firstOffset = offsets[0]
        self.transitions = transitions
        if footer.isEmpty {
            rule = nil
        } else {
            guard let rule = ZoneRule(footer) else { return nil }
            self.rule = rule
        }
    }

    /// Returns the seconds east of Greenwich at a time in seconds since 1970.
    public func offset(at time: Int64) -> Int64 {
        guard let last = transitions.last else { return rule?.offset(at: time) ?? firstOffset }
        if time >= last.time { return rule?.offset(at: time) ?? last.offset }
        var low = 0
        var high = transitions.count
        while low < high {
            let middle = (low + high) / 2
            if transitions[middle].time <= time { low = middle + 1 } else { high = middle }
        }
        return low == 0 ? firstOffset : transitions[low - 1].offset
    }

    /// Returns the time at which a local clock shows these seconds since 1970. When there are two
    /// such times, it returns the earlier one. When the clock skips this local time, it computes as
    /// if the clock had not skipped it.
    public func time(ofLocal local: Int64) -> Int64 {
        let local = min(max(local, -Self.timeMax), Self.timeMax)
        let day: Int64 = 86_400
        let before = offset(at: local - day)
        let after = offset(at: local + day)
        for offset in [before, after] where self.offset(at: local - offset) == offset {
            return local - offset
        }
        return local - before
    }
}

/// The counts of one block of a file.
struct ZoneHeader {
    static let byteCount = 44

    let start: Int
    let version: UInt8
    let utcMarks: Int
    let standardMarks: Int
    let leaps: Int
    let times: Int
    let types: Int
    let characters: Int

    init?(_ bytes: [UInt8], at start: Int) {
        guard start >= 0, bytes.count - start >= Self.byteCount,
            bytes[start..<start + 4].elementsEqual("TZif".utf8)
        else { return nil }
        func count(_ index: Int) -> Int {
            bytes[(start + 20 + index * 4)..<(start + 24 + index * 4)].reduce(0) {
                $0 << 8 | Int($1)
            }
        }
        self.start = start
        version = bytes[start + 4]
        utcMarks = count(0)
        standardMarks = count(1)
        leaps = count(2)
        times = count(3)
        types = count(4)
        characters = count(5)
        let all = [utcMarks, standardMarks, leaps, times, types, characters]
        // This is far more than any zone has, and it keeps every sum of sizes within 64 bits.
        guard all.allSatisfy({ $0 <= ZoneFile.bytesMax }) else { return nil }
    }

    func end(timeBytes: Int) -> Int {
        start + Self.byteCount + times * (timeBytes + 1) + types * 6 + characters
            + leaps * (timeBytes + 4) + standardMarks + utcMarks
    }
}

/// Reads the block with 64-bit times. The caller has checked that the block ends inside the bytes.
private struct ZoneReader {
    let bytes: [UInt8]
    let header: ZoneHeader

    init(_ bytes: [UInt8], _ header: ZoneHeader) {
        self.bytes = bytes
        self.header = header
    }

    private var timesStart: Int { header.start + ZoneHeader.byteCount }
    private var typesStart: Int { timesStart + header.times * 9 }

    /// Returns the offset of each type of local time.
    func offsets() -> [Int64]? {
        guard (1...256).contains(header.types) else { return nil }
        var offsets: [Int64] = []
        for index in 0..<header.types {
            let place = typesStart + index * 6
            let raw = bytes[place..<place + 4].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            let offset = Int64(Int32(bitPattern: raw))
            guard abs(offset) <= ZoneFile.offsetMax else { return nil }
            offsets.append(offset)
        }
        return offsets
    }

    func transitions(_ offsets: [Int64]) -> [(time: Int64, offset: Int64)]? {
        var transitions: [(time: Int64, offset: Int64)] = []
        for index in 0..<header.times {
            let place = timesStart + index * 8
            let raw = bytes[place..<place + 8].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            let time = Int64(bitPattern: raw)
            let type = Int(bytes[timesStart + header.times * 8 + index])
            guard type < offsets.count, transitions.last.map({ $0.time < time }) ?? true else {
                return nil
            }
            transitions.append((time, offsets[type]))
        }
        return transitions
    }

    /// Returns the text between the line feeds after the block.
    func footer() -> String? {
        let rest = bytes[header.end(timeBytes: 8)...]
        guard rest.first == UInt8(ascii: "\n"),
            let end = rest.dropFirst().firstIndex(of: UInt8(ascii: "\n"))
        else { return nil }
        return String(validating: rest[(rest.startIndex + 1)..<end], as: UTF8.self)
    }
}
