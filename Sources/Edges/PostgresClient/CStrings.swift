/// Texts as an array of C strings with a null pointer at the end, as libpq takes lists.
struct CStrings {
    private var bytes: [CChar] = []
    private var offsets: [Int?] = []

    init(_ texts: [String?]) {
        for text in texts {
            offsets.append(text == nil ? nil : bytes.count)
            guard let text else { continue }
            bytes.append(contentsOf: text.utf8.lazy.map { CChar(bitPattern: $0) })
            bytes.append(0)
        }
    }

    /// The pointers are valid while `body` runs.
    func withPointers<Result>(
        _ body: (UnsafePointer<UnsafePointer<CChar>?>?) -> Result
    ) -> Result {
        // Safety: every offset lies inside the buffer, and every text ends with a zero.
        unsafe bytes.withUnsafeBufferPointer { buffer in
            let pointers: [UnsafePointer<CChar>?] =
                unsafe offsets.map { offset in
                    guard let offset, let base = buffer.baseAddress else { return nil }
                    return unsafe base + offset
                } + [nil]
            return unsafe pointers.withUnsafeBufferPointer { unsafe body($0.baseAddress) }
        }
    }
}
