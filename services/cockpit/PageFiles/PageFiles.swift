internal import CPages

/// What is in the files of the cockpit's pages. It is a module of its own, because the package
/// manager compiles again what imports a C target with a changed file. The interface of this module
/// does not change with the files, so the cockpit is not compiled again.
package enum PageFiles {
    /// By the names of the files.
    package static let texts: [String: String] = {
        var texts: [String: String] = [:]
        var file = unsafe page_files()
        while let name = unsafe file.pointee.name {
            texts[unsafe String(cString: name)] = unsafe String(cString: file.pointee.text)
            unsafe file += 1
        }
        return texts
    }()
}
