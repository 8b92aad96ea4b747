/// The hash that the answer to a WebSocket's request contains (RFC 6455, 1.3). It protects nothing.
package enum SHA1 {
    /// Returns the 20 bytes of the hash.
    package static func hash(_ bytes: [UInt8]) -> [UInt8] {
        var state: [UInt32] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0]
        var message = bytes + [0x80]
        while message.count % 64 != 56 { message.append(0) }
        let bits = UInt64(bytes.count) * 8
        message += (0..<8).map { UInt8(truncatingIfNeeded: bits >> (56 - 8 * UInt64($0))) }
        for start in stride(from: 0, to: message.count, by: 64) {
            add(Array(message[start..<start + 64]), to: &state)
        }
        return state.flatMap { word in
            (0..<4).map { UInt8(truncatingIfNeeded: word >> (24 - 8 * UInt32($0))) }
        }
    }

    private static func add(_ block: [UInt8], to state: inout [UInt32]) {
        var words = (0..<16).map { place in
            block[place * 4..<place * 4 + 4].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        }
        for place in 16..<80 {
            words.append(
                rotated(
                    words[place - 3] ^ words[place - 8] ^ words[place - 14] ^ words[place - 16], 1))
        }
        var (a, b, c, d, e) = (state[0], state[1], state[2], state[3], state[4])
        for place in 0..<80 {
            let (mix, constant): (UInt32, UInt32) =
                if place < 20 {
                    (b & c | ~b & d, 0x5a82_7999)
                } else if place < 40 {
                    (b ^ c ^ d, 0x6ed9_eba1)
                } else if place < 60 {
                    (b & c | b & d | c & d, 0x8f1b_bcdc)
                } else {
                    (b ^ c ^ d, 0xca62_c1d6)
                }
            let next = rotated(a, 5) &+ mix &+ e &+ constant &+ words[place]
            (a, b, c, d, e) = (next, a, rotated(b, 30), c, d)
        }
        for (place, value) in [a, b, c, d, e].enumerated() { state[place] &+= value }
    }

    private static func rotated(_ word: UInt32, _ count: UInt32) -> UInt32 {
        word << count | word >> (32 - count)
    }
}
