(component
  (component (component (component (core module (func) (start 0)))))
  (type $t (list (list (list (option (tuple string u64 (list u8)))))))
  (export "t" (type $t)))
