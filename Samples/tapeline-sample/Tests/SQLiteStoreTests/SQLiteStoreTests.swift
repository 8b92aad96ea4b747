import Foundation
import SQLiteStore
import StoreKit
import Testing

@Test("each row is stored exactly once", arguments: 1...10)
func proof(seed: UInt64) throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "store-\(UUID())")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.appending(path: "a.sqlite").path
    try StoreProof(
        seed: seed, connect: { try SQLiteStore(path, timeoutMilliseconds: 500) },
        rows: { try SQLiteStore(path).rows(of: $0) }
    ).run()
}
