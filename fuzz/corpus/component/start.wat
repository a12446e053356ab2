(component
  (core module $m (func $loop (loop br 0)) (start $loop))
  (core instance (instantiate $m)))
