internal import MarketModel
internal import Primitives

/// Texts that rows name by an index. An index keeps its meaning as long as the dictionary lives.
struct TextDictionary {
    /// The most texts, and the most bytes of all of them. Beyond, `isOverLimit` becomes true.
    static let textsMax = 1 << 20
    static let bytesMax = 64 << 20

    private var indexes: [[UInt8]: Int32] = [:]
    private var ends: [Int32] = []
    private var bytes: [UInt8] = []
    /// The texts as batches got them; `nil` when one was added since.
    private var page: TextPage?
    private(set) var isOverLimit = false

    var count: Int { ends.count }

    mutating func index(of text: String) -> Int32 {
        let key = Array(text.utf8)
        if let index = indexes[key] { return index }
        guard ends.count < Self.textsMax, bytes.count + key.count <= Self.bytesMax else {
            isOverLimit = true
            return 0
        }
        let index = Int32(ends.count)
        indexes[key] = index
        bytes += key
        ends.append(Int32(bytes.count))
        page = nil
        return index
    }

    /// Returns the texts of now.
    mutating func snapshot() -> TextPage {
        if let page { return page }
        // Rows without a text have an index, too, so there is always one to point at.
        let page = TextPage(ends: ends.isEmpty ? [0] : ends, bytes: bytes)
        self.page = page
        return page
    }
}

/// Texts as Arrow has them: where each one begins, and their bytes.
///
/// Safety: nothing changes after `init`, and the memory lives as long as the page.
@safe
package final class TextPage: @unchecked Sendable {
    package let count: Int
    private let offsets: UnsafeMutableBufferPointer<Int32>
    private let bytes: UnsafeMutableBufferPointer<UInt8>

    init(ends: [Int32], bytes: [UInt8]) {
        count = ends.count
        unsafe offsets = .allocate(capacity: ends.count + 1)
        _ = unsafe offsets.initialize(from: [0] + ends)
        // Also an empty one needs an address.
        unsafe self.bytes = .allocate(capacity: bytes.count + 1)
        _ = unsafe self.bytes.initialize(from: bytes + [0])
    }

    deinit {
        unsafe offsets.deallocate()
        unsafe bytes.deallocate()
    }

    /// The addresses of the offsets and of the bytes, valid as long as the page.
    package var buffers: (offsets: UnsafeRawPointer?, bytes: UnsafeRawPointer?) {
        unsafe (UnsafeRawPointer(offsets.baseAddress), UnsafeRawPointer(bytes.baseAddress))
    }
}

/// Texts of up to eight characters, found by their words.
struct ShortTexts {
    private(set) var texts = TextDictionary()
    private var table = Table(count: 256)
    private var used = 0

    fileprivate struct Slot: BitwiseCopyable {
        var word: UInt64 = 0
        var index: Int32 = -1
    }

    /// Safety: `count` slots, all of them set; `count` is a power of two.
    @safe
    fileprivate final class Table {
        let slots: UnsafeMutablePointer<Slot>
        let count: Int

        init(count: Int) {
            self.count = count
            unsafe slots = .allocate(capacity: count)
            unsafe slots.initialize(repeating: Slot(), count: count)
        }

        deinit { unsafe slots.deallocate() }

        /// The place of a word, or the free one where it belongs.
        func place(of word: UInt64) -> Int {
            var place = ShortTexts.home(word) & (count - 1)
            while unsafe slots[place].index >= 0 && slots[place].word != word {
                place = (place + 1) & (count - 1)
            }
            return place
        }
    }

    /// The table, as the loop over a packet's ticks keeps it.
    ///
    /// Safety: it is that of the texts, which keep it until a text that is new makes another one.
    /// Then `index` gets that one.
    @safe
    struct Places {
        fileprivate let slots: UnsafeMutablePointer<Slot>
        fileprivate let mask: Int
    }

    var places: Places { unsafe Places(slots: table.slots, mask: table.count - 1) }

    @inline(__always)
    mutating func index(of text: ShortText, _ places: inout Places) -> Int32 {
        let slot = unsafe places.slots[Self.home(text.raw) & places.mask]
        if slot.word == text.raw, slot.index >= 0 { return slot.index }
        let index = find(text)
        places = self.places
        return index
    }

    mutating func snapshot() -> TextPage { texts.snapshot() }

    /// Where a search for a word begins, before the table's mask. The upper half of the product
    /// depends on all characters.
    @inline(__always)
    static func home(_ word: UInt64) -> Int {
        Int(truncatingIfNeeded: ((word ^ (word >> 29)) &* 0x9e37_79b9_7f4a_7c15) >> 32)
    }

    @inline(never)
    private mutating func find(_ text: ShortText) -> Int32 {
        let place = table.place(of: text.raw)
        let known = unsafe table.slots[place].index
        if known >= 0 { return known }
        let index = texts.index(of: text.text)
        // Beyond the limit the packet is refused, and nothing is remembered. Several words may
        // have the same text.
        guard !texts.isOverLimit, used < TextDictionary.textsMax else { return index }
        unsafe table.slots[place] = Slot(word: text.raw, index: index)
        used += 1
        if used * 2 > table.count { grow() }
        return index
    }

    private mutating func grow() {
        let larger = Table(count: table.count * 2)
        for place in 0..<table.count {
            let slot = unsafe table.slots[place]
            if slot.index >= 0 { unsafe larger.slots[larger.place(of: slot.word)] = slot }
        }
        table = larger
    }
}

/// Texts that are found by a value, of which only few are different.
struct KeyedTexts<Key: Hashable> {
    private(set) var texts = TextDictionary()
    private var indexes: [Key: Int32] = [:]
    private var last: (key: Key, index: Int32)?

    mutating func index(of key: Key, _ text: (Key) -> String) -> Int32 {
        if let last, last.key == key { return last.index }
        let index: Int32
        if let known = indexes[key] {
            index = known
        } else {
            index = texts.index(of: text(key))
            // Several keys may have the same text.
            guard !texts.isOverLimit, indexes.count < TextDictionary.textsMax else { return index }
            indexes[key] = index
        }
        last = (key, index)
        return index
    }

    mutating func snapshot() -> TextPage { texts.snapshot() }
}

/// The names of the numbers of an enumeration.
struct EnumerationTexts<Kind: RawRepresentable> where Kind.RawValue == UInt8 {
    private var texts = TextDictionary()
    private var indexes = [Int32](repeating: -1, count: 256)

    /// `first`: so many numbers have the first indexes, also without a row.
    init(first count: UInt8 = 0) {
        for raw in 0..<count { _ = index(of: raw) }
    }

    mutating func index(of raw: UInt8) -> Int32 {
        if indexes[Int(raw)] < 0 {
            indexes[Int(raw)] = texts.index(of: EnumerationName.of(Kind.self, raw))
        }
        return indexes[Int(raw)]
    }

    /// Returns the index of a text that is no number's.
    mutating func index(of text: String) -> Int32 { texts.index(of: text) }

    mutating func snapshot() -> TextPage { texts.snapshot() }
}
