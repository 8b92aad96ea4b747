/// Splits JSON texts over as many messages as they need.
enum MessageParts {
    /// A part grows to at most `bytesMax`, unless a single text is larger.
    static func split(_ texts: [[UInt8]], bytesMax: Int) -> [[[UInt8]]] {
        var parts: [[[UInt8]]] = []
        var part: [[UInt8]] = []
        var bytes = 0
        for text in texts {
            if !part.isEmpty, bytes + text.count > bytesMax {
                parts.append(part)
                part = []
                bytes = 0
            }
            part.append(text)
            bytes += text.count + 1
        }
        if !part.isEmpty { parts.append(part) }
        return parts
    }
}
