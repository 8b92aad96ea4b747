import Foundation
import Glibc
import Synchronization

/// A disk whose power can be cut: ext4 on a loop device, mounted while the value lives.
///
/// What programs write is in the page cache of this file system until it is synced. Only then it is
/// written to the image file, which is the disk. So a copy of the image is what a machine finds
/// after a power cut. `cut` proves that each time with a file that is not synced.
package final class CrashDisk: Sendable {
    package struct Failed: Error, CustomStringConvertible {
        package let description: String
    }

    private static let programs = [
        "/usr/bin/mount", "/usr/bin/umount", "/usr/sbin/mkfs.ext4", "/usr/bin/cmp",
    ]
    private static let controlBytes = 65_536
    private static let copiesMax = 20

    /// Why there can be no such disk on this machine. `nil` if there can.
    package static let obstacle: String? = {
        guard getuid() == 0 else { return "a disk to cut the power of needs root" }
        for program in programs where !FileManager.default.isExecutableFile(atPath: program) {
            return "a disk to cut the power of needs \(program)"
        }
        do {
            _ = try CrashDisk(megabytes: 16)
            return nil
        } catch {
            return "no loop device can be mounted here: \(error)"
        }
    }()

    private let folder: TemporaryFolder
    /// How often the power was cut. This is the number of the image in use.
    private let cuts = Mutex(0)

    /// The mount point.
    package var path: String { folder.file("disk") }
    package func file(_ name: String) -> String { "\(path)/\(name)" }
    private func image(_ number: Int) -> String { folder.file("image-\(number)") }

    package init(megabytes: Int = 256) throws {
        folder = try TemporaryFolder("crash-disk")
        try FileManager.default.createDirectory(
            atPath: folder.file("disk"), withIntermediateDirectories: false)
        let empty = image(0)
        guard FileManager.default.createFile(atPath: empty, contents: nil),
            unsafe truncate(empty, megabytes * 1_048_576) == 0
        else { throw Failed(description: "no image of \(megabytes) MB: errno \(errno)") }
        try run("/usr/sbin/mkfs.ext4", ["-q", "-F", empty])
        try mount(empty)
        // Static values have no deinit, and a mount outlives the process.
        let path = path
        AtExit.call { unsafe umount2(path, Int32(MNT_DETACH)) }
    }

    deinit { unsafe umount2(path, Int32(MNT_DETACH)) }

    /// The journal is written on sync, and hardly ever by itself.
    private func mount(_ image: String) throws {
        try run("/usr/bin/mount", ["-o", "loop,commit=300", image, path])
    }

    /// Syncs. Everything that was written is on the disk when this returns.
    package func sync() throws { try run("/usr/bin/sync", ["-f", path]) }

    /// Writes a file like most programs, without a sync, which Foundation does not offer.
    package func write(_ bytes: [UInt8], to name: String) throws {
        let descriptor = unsafe open(file(name), O_CREAT | O_TRUNC | O_WRONLY, 0o644)
        guard descriptor >= 0 else { throw Failed(description: "no \(name): errno \(errno)") }
        defer { close(descriptor) }
        guard unsafe Glibc.write(descriptor, bytes, bytes.count) == bytes.count else {
            throw Failed(description: "\(name) was not written: errno \(errno)")
        }
    }

    /// Copies an image as it is at one moment. The kernel writes to it by itself now and then. A
    /// copy that began before such a write and ended after it would be of no moment.
    private func copy(_ image: String, to other: String) throws {
        var error: (any Error)?
        for _ in 0..<Self.copiesMax {
            try run("/usr/bin/cp", ["--sparse=always", image, other])
            do {
                try run("/usr/bin/cmp", ["--silent", image, other])
                return
            } catch let different {
                error = different
            }
        }
        throw Failed(description: "\(image) changes all the time: \(error.map { "\($0)" } ?? "")")
    }

    /// Cuts the power and mounts what the disk holds then, in the same place. `stopped` ends the
    /// programs that use it. They should be paused, so that they do nothing meanwhile.
    package func cut(_ stopped: () -> Void) throws {
        let number = cuts.withLock { count in
            count += 1
            return count
        }
        let control = "unsynced-\(number)"
        try write([UInt8](repeating: 7, count: Self.controlBytes), to: control)
        try copy(image(number - 1), to: image(number))
        stopped()
        try run("/usr/bin/umount", [path])
        try FileManager.default.removeItem(atPath: image(number - 1))
        try mount(image(number))
        let rest = FileManager.default.contents(atPath: file(control))?.count ?? 0
        guard rest < Self.controlBytes else {
            throw Failed(description: "the copy holds what was never synced")
        }
    }
}
